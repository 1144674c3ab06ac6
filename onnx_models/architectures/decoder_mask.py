"""A mask and positions for the decoders of encoder-decoders, which continuous batching needs.

optimum exports the decoder of an encoder-decoder without a mask. Its position is then the length of the cache, the same
for every row, so all rows of a batch must have generated equally many tokens. Here the decoder takes
``attention_mask``, int64 [rows, past + tokens], with 0 where the cache of a shorter row is padded on the left. The
position of a token is the number of ones before it in its row. T5 has no table of positions, only distances between
tokens, which padding on the left does not change.
"""

from typing import Any

import torch
from optimum.exporters.onnx import model_configs
from optimum.exporters.onnx.base import ConfigBehavior
from optimum.exporters.onnx.model_patcher import ModelPatcher
from optimum.exporters.tasks import TasksManager
from optimum.utils.input_generators import DummyVisionEncoderDecoderPastKeyValuesGenerator
from torch import Tensor, nn
from torch.nn.functional import embedding


class _EncoderDecoder(model_configs.EncoderDecoderOnnxConfig):
    """Example caches with the decoder's sizes. optimum's have the encoder's, which fails if the sizes differ."""

    DUMMY_INPUT_GENERATOR_CLASSES = (
        *model_configs.EncoderDecoderOnnxConfig.DUMMY_INPUT_GENERATOR_CLASSES,
        # It uses the decoder's config whatever the encoder is, not only for images.
        DummyVisionEncoderDecoderPastKeyValuesGenerator,
    )


_TEXT, _SPEECH, _IMAGE = "text2text-generation", "automatic-speech-recognition", "image-to-text"
_ARCHITECTURES = {
    "t5": (_TEXT, model_configs.T5OnnxConfig),
    "mt5": (_TEXT, model_configs.MT5OnnxConfig),
    "bart": (_TEXT, model_configs.BartOnnxConfig),
    "marian": (_TEXT, model_configs.MarianOnnxConfig),
    "pegasus": (_TEXT, model_configs.PegasusOnnxConfig),
    "mbart": (_TEXT, model_configs.MBartOnnxConfig),
    "m2m_100": (_TEXT, model_configs.M2M100OnnxConfig),
    "encoder-decoder": (_TEXT, _EncoderDecoder),
    "whisper": (_SPEECH, model_configs.WhisperOnnxConfig),
    "vision-encoder-decoder": (_IMAGE, model_configs.VisionEncoderDecoderOnnxConfig),
}
_TABLES = ("embed_positions", "wpe")
"""Names of the table of positions in decoders."""


class DecoderMaskPatcher(ModelPatcher):
    """Computes the decoder's positions from the mask while it is traced. The encoder is not changed."""

    def __enter__(self) -> None:
        """Register hooks on the decoder and on its table of positions."""
        super().__enter__()
        self._hooks: list[Any] = []
        self._mask: Tensor | None = None
        if self.real_config._behavior is not ConfigBehavior.DECODER:
            return
        decoder = self._model.get_decoder()
        self._hooks.append(decoder.register_forward_pre_hook(self._keep_mask, with_kwargs=True))
        for name, module in decoder.named_modules():
            if name.rsplit(".", 1)[-1] in _TABLES:
                self._hooks.append(module.register_forward_hook(self._look_up))

    def __exit__(self, *error: Any) -> None:
        """Remove the hooks."""
        for hook in self._hooks:
            hook.remove()
        super().__exit__(*error)

    def _keep_mask(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._mask = kwargs["attention_mask"]

    def _look_up(self, table: Any, args: tuple[Any, ...], output: Tensor) -> Tensor:
        """Return the rows of the table at the mask's positions, [rows, tokens, width], instead of its own output."""
        if self._mask is None:
            return output
        # Only the new tokens, while the mask covers the past, too. Padding on the left would get -1, which is no row.
        positions = (self._mask.cumsum(dim=1) - 1).clamp(min=0)[:, -output.shape[-2] :]
        if isinstance(getattr(table, "weights", None), Tensor):  # sinusoids from behind the padding id: M2M100, TrOCR
            return embedding(positions + table.padding_idx + 1, table.weights)
        return embedding(positions + getattr(table, "offset", 0), table.weight)


def with_decoder_mask(base: Any) -> Any:
    """Return an exporter's config like ``base`` whose decoder takes ``attention_mask``."""

    class WithDecoderMask(base):
        _MODEL_PATCHER = DecoderMaskPatcher
        PAD_ATTENTION_MASK_TO_PAST = True  # of the inputs that the exporter makes up for tracing

        @property
        def inputs(self) -> dict[str, dict[int, str]]:
            axes = dict(super().inputs)
            if self._behavior is ConfigBehavior.DECODER:
                tokens = "decoder_sequence_length"
                width = f"past_decoder_sequence_length + {tokens}" if self.use_past_in_inputs else tokens
                axes["decoder_attention_mask"] = {0: "batch_size", 1: width}
            return axes

        def generate_dummy_inputs(self, *arguments: Any, **options: Any) -> dict[str, Any]:
            """Trace a later step with two tokens: with one, TrOCR skips its causal mask, which the trace needs."""
            inputs: dict[str, Any] = super().generate_dummy_inputs(*arguments, **options)
            if self._behavior is ConfigBehavior.DECODER and self.use_past_in_inputs:
                for name in ("decoder_input_ids", "decoder_attention_mask"):
                    inputs[name] = torch.cat([inputs[name], inputs[name][:, -1:]], dim=1)
            return inputs

    WithDecoderMask.__name__ = WithDecoderMask.__qualname__ = f"{base.__name__}WithDecoderMask"
    return WithDecoderMask


# Overwrites optimum's own configs of these architectures.
_register = TasksManager.create_register("onnx", overwrite_existing=True)
for _architecture, (_task, _base) in _ARCHITECTURES.items():
    _register(_architecture, f"{_task}-with-past")(with_decoder_mask(_base))
