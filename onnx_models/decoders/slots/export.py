"""Write a decoder's slot graph; needs the export environment."""

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import AutoModelForCausalLM

from onnx_models.decoders.slots.adapters import adapted, prepare
from onnx_models.errors import refusing
from onnx_models.exporting.optimum_exporter import quiet
from onnx_models.exporting.sources import Source
from onnx_models.exporting.torch_exporter import Axes, write_graph
from onnx_models.slots.cache import SlotCache, registered_attention
from onnx_models.slots.exporting import check_logits, load_eager, present_tensors
from onnx_models.slots.finishing import finish, run, scratch_folders
from onnx_models.slots.operators import pick_token
from onnx_models.verification.session import present_of

GRAPH = "model.onnx"
_ROWS, _TOKENS, _MAX_LENGTH = "rows", "tokens", "max_length"
_IDS, _NUM_TOKENS = [[1, 2, 3], [3, 2, 1]], [3, 2]
_EXAMPLE = {"input_ids": _IDS, "past_lengths": [5, 2], "num_tokens": _NUM_TOKENS}
"""The traced inputs. Not at position 0, where a rotation by the identity would look right whatever its layout is."""
_EXAMPLE_LENGTH = 11


def export_slots(source: Source, folder: Path, *, opset: int | None = None) -> None:
    """Write ``model.onnx`` (and ``model.onnx_data`` above 2 GB) of a source into ``folder``.

    Raises:
        NoSlotsError: the architecture's attention can't be one operator over a slot; nothing is written.
        ExportError: transformers can't load the source.
    """
    model = load_eager(AutoModelForCausalLM, source)
    prepare(model)
    with scratch_folders(folder) as (traced, finished):
        _trace(model, traced / GRAPH, opset)
        finish(model, traced / GRAPH, finished / GRAPH)
        _check(model, finished / GRAPH)


class _SlotDecoder(nn.Module):
    """A decoder with the inputs and outputs of a slot graph."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self._parameters_of_model = inspect.signature(model.forward).parameters

    def forward(self, input_ids: Tensor, past_lengths: Tensor, num_tokens: Tensor, *buffers: Tensor) -> Any:
        """Return logits [rows, vocabulary] of each row's last token, and the buffers."""
        tokens = input_ids.shape[1]
        last = num_tokens[:, None] - 1
        # Not arange: from a cumulative sum of the ids, shape inference sees that the result is as long as they are.
        offsets = torch.ones_like(input_ids).cumsum(dim=1) - 1
        # Padding gets the position of the last token, which can't be beyond the end of a table of positions.
        positions = (past_lengths[:, None] + torch.minimum(offsets, last)).clamp(min=0)
        # Padding is written too, behind the tokens, where the row's next tokens overwrite it. So `last` counts it, and
        # the causal mask alone keeps it from the tokens before it.
        cache = SlotCache(
            # The operator takes lengths as int32, while ids and lengths of the graph are int64 as in optimum's graphs.
            list(zip(buffers[::2], buffers[1::2], strict=True)),
            last=(past_lengths + (tokens - 1)).to(torch.int32),
            longest=(past_lengths.max() + tokens).to(torch.int32),
        )
        inputs = {
            "position_ids": positions, "cache_position": torch.arange(tokens),
            "past_key_values": cache, "use_cache": True,
        }  # fmt: skip
        index = last[:, 0].clamp(min=0)
        head = self.model.get_output_embeddings()
        # The head runs on one token of each row: logits of all tokens would be up to a quarter of the time of a prompt.
        with (
            registered_attention(cache, self.model.config),
            adapted(self.model, cache),
            head.register_forward_pre_hook(lambda _, inputs: (pick_token(inputs[0], index),)),
        ):
            # Not every model takes all of them: BLOOM has no positions, and the first GPT no cache_position.
            given = {name: value for name, value in inputs.items() if name in self._parameters_of_model}
            logits = self.model(input_ids=input_ids, **given).logits
        return logits[:, 0], *present_tensors(cache.presents)


def _trace(model: Any, path: Path, opset: int | None) -> None:
    """Trace the model with torch's exporter."""
    inputs: dict[str, tuple[Tensor, Axes]] = {
        name: (torch.tensor(example), {0: _ROWS, 1: _TOKENS} if name == "input_ids" else {0: _ROWS})
        for name, example in _EXAMPLE.items()
    }
    outputs: dict[str, Axes] = {"logits": {0: _ROWS}}
    axes = {0: _ROWS, 2: _MAX_LENGTH}
    for name, (num_heads, size) in _buffers(model).items():
        inputs[name] = torch.zeros(2, num_heads, _EXAMPLE_LENGTH, size), axes
        outputs[present_of(name)] = axes
    write_graph(_SlotDecoder(model), path, inputs=inputs, outputs=outputs, opset=opset)


def _buffers(model: Any) -> dict[str, tuple[int, int]]:
    """Return the number and the size of the heads in each buffer, found by running the model on one token.

    The configs of several architectures do not state them, or state others.
    """
    # A source may have the cache switched off, as it is during training.
    model.config.use_cache = True
    with refusing("it has no cache of keys and values"), torch.inference_mode(), quiet():
        cache = model(input_ids=torch.zeros(1, 1, dtype=torch.long)).past_key_values
        return {
            f"past_key_values.{index}.{part}": (layer.keys.shape[1], layer.keys.shape[3])
            for index, layer in enumerate(cache.layers)
            for part in ("key", "value")
        }


@torch.inference_mode()
def _check(model: Any, path: Path) -> None:
    """Check that the graph returns the model's logits for two prompts, prefilled as one batch into empty slots."""
    feed: dict[str, NDArray[Any]] = {"input_ids": np.array(_IDS), "num_tokens": np.array(_NUM_TOKENS)}
    feed["past_lengths"] = np.zeros_like(feed["num_tokens"])
    for name, (num_heads, size) in _buffers(model).items():
        feed[name] = np.zeros((len(_IDS), num_heads, _EXAMPLE_LENGTH, size), np.float32)
    (found,) = run(path, ["logits"], feed)
    for row, prompt, length in zip(found, _IDS, _NUM_TOKENS, strict=True):
        check_logits(row, model(input_ids=torch.tensor([prompt[:length]])).logits[0, -1].numpy())
