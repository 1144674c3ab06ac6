"""Write the slot graphs of an encoder-decoder of texts; needs the export environment."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoModelForSeq2SeqLM
from transformers.modeling_outputs import BaseModelOutput

from onnx_models.exporting.sources import Source
from onnx_models.exporting.torch_exporter import Axes, write_graph
from onnx_models.seq2seq.served import ENCODER
from onnx_models.seq2seq.served_slots import DECODER
from onnx_models.seq2seq.slots.adapters import adapted, source_projections
from onnx_models.seq2seq.slots.cache import PairCache, SourceCache
from onnx_models.slots.cache import SlotCache, registered_attention
from onnx_models.slots.exporting import check_logits, load_eager, present_tensors
from onnx_models.slots.finishing import finish, run, scratch_folders
from onnx_models.slots.patching import plain_matmuls
from onnx_models.verification.session import present_of

_ROWS, _SOURCE, _MAX_LENGTH, _MAX_SOURCE = "rows", "source", "max_length", "max_source"
_SOURCES = {"input_ids": [[1, 2, 3, 4], [3, 2, 1, 0]], "attention_mask": [[1, 1, 1, 1], [1, 1, 1, 0]]}
_TOKENS = {"input_ids": [[1], [3]], "past_lengths": [5, 2], "num_tokens": [1, 1], "source_lengths": [4, 3]}
"""The traced inputs of the decoder."""
_EXAMPLE_LENGTH, _EXAMPLE_SOURCE = 11, 7
_OUTPUT = [3, 2, 1]
"""Decoder tokens that both sides are compared on."""


def export_slots(source: Source, folder: Path, *, opset: int | None = None) -> None:
    """Write ``encoder_model.onnx`` and ``decoder_model.onnx`` (and ``*_data`` above 2 GB) into ``folder``.

    Raises:
        NoSlotsError: the architecture's attention can't be one operator over a slot; nothing is written.
        ExportError: transformers can't load the source.
    """
    model = load_eager(AutoModelForSeq2SeqLM, source)
    with scratch_folders(folder) as (traced, finished):
        heads = {name: (part.num_heads, part.size) for name, part in source_projections(model).items()}
        _trace_encoder(model, heads, traced / ENCODER, opset)
        _trace_decoder(model, heads, traced / DECODER, opset)
        for name in (ENCODER, DECODER):
            finish(model, traced / name, finished / name)
        _check(model, heads, finished)


class _Encoder(nn.Module):
    """An encoder with the projections to keys and values of the decoder's layers."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Any:
        """Return keys and values of the source for each layer of the decoder, [rows, heads, source, size]."""
        with plain_matmuls():
            hidden = self.model.get_encoder()(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            return [
                part.project(hidden).unflatten(2, (part.num_heads, part.size)).transpose(1, 2)
                for part in source_projections(self.model).values()
            ]


class _Decoder(nn.Module):
    """A decoder with the inputs and outputs of a slot graph."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, input_ids: Tensor, past_lengths: Tensor, num_tokens: Tensor, source_lengths: Tensor, *buffers: Tensor
    ) -> Any:
        """Return logits [rows, vocabulary], and the buffers: the decoder's own of all layers, then the source's."""
        pairs = list(zip(buffers[::2], buffers[1::2], strict=True))
        middle = len(pairs) // 2
        # An idle row gets the position of its last token, which can't be beyond the end of a table of positions.
        positions = (past_lengths + num_tokens - 1).clamp(min=0)
        last = (source_lengths - 1).clamp(min=0)
        cache = PairCache(
            SlotCache(pairs[:middle], past_lengths.to(torch.int32), (past_lengths.max() + 1).to(torch.int32)),
            SourceCache(pairs[middle:], last.to(torch.int32), (last.max() + 1).to(torch.int32)),
            positions[:, None],
        )
        # Models require the encoder's output, though the cache makes them ignore it. It must depend on an input: a
        # constant would fix the number of rows.
        unused = input_ids[:, :, None].to(torch.float32)
        with registered_attention(cache, self.model.config), adapted(self.model, cache):
            logits = self.model(
                encoder_outputs=BaseModelOutput(last_hidden_state=unused),
                decoder_input_ids=input_ids,
                past_key_values=cache,
                # Positions are patched, but without this argument models would derive it from the length of the cache.
                cache_position=torch.zeros(1, dtype=torch.long),
                use_cache=True,
            ).logits
        return logits[:, 0], *present_tensors(cache.presents)


def _trace_encoder(model: Any, heads: dict[str, tuple[int, int]], path: Path, opset: int | None) -> None:
    axes: Axes = {0: _ROWS, 1: _SOURCE}
    inputs = {name: (torch.tensor(given), axes) for name, given in _SOURCES.items()}
    outputs: dict[str, Axes] = {present_of(name): {0: _ROWS, 2: _SOURCE} for name in heads}
    write_graph(_Encoder(model), path, inputs=inputs, outputs=outputs, opset=opset)


def _trace_decoder(model: Any, heads: dict[str, tuple[int, int]], path: Path, opset: int | None) -> None:
    inputs: dict[str, tuple[Tensor, Axes]] = {
        name: (torch.tensor(given), {0: _ROWS}) for name, given in _TOKENS.items()
    }
    outputs: dict[str, Axes] = {"logits": {0: _ROWS}}
    for name, buffer in _buffers(heads).items():
        axes = {0: _ROWS, 2: _MAX_SOURCE if ".encoder." in name else _MAX_LENGTH}
        inputs[name] = torch.from_numpy(buffer), axes
        outputs[present_of(name)] = axes
    write_graph(_Decoder(model), path, inputs=inputs, outputs=outputs, opset=opset)


def _buffers(heads: dict[str, tuple[int, int]]) -> dict[str, np.ndarray]:
    """Return zeroed buffers for two rows, in the order of the decoder's inputs: its own, and then the source's."""
    own = {name.replace(".encoder.", ".decoder."): sizes for name, sizes in heads.items()}
    lengths = [(own, _EXAMPLE_LENGTH), (heads, _EXAMPLE_SOURCE)]
    return {
        name: np.zeros((2, number, length, size), np.float32)
        for sizes, length in lengths
        for name, (number, size) in sizes.items()
    }


@torch.inference_mode()
def _check(model: Any, heads: dict[str, tuple[int, int]], folder: Path) -> None:
    """Check that the graphs return the model's logits for two sources of different length in one batch."""
    feed = {name: np.array(given) for name, given in _SOURCES.items()}
    lengths = feed["attention_mask"].sum(axis=1)
    buffers = _buffers(heads)
    for name, found in zip(heads, run(folder / ENCODER, [present_of(name) for name in heads], feed), strict=True):
        buffers[name][:, :, : found.shape[2]] = found
    names = ["logits", *(present_of(name) for name in buffers)]
    for length, token in enumerate(_OUTPUT):
        state = {"past_lengths": np.full(2, length), "num_tokens": np.ones(2, np.int64), "source_lengths": lengths}
        logits, *after = run(folder / DECODER, names, {"input_ids": np.full((2, 1), token), **state, **buffers})
        buffers = dict(zip(buffers, after, strict=True))
    for row, source, length in zip(logits, _SOURCES["input_ids"], lengths, strict=True):
        given = {"input_ids": torch.tensor([source[:length]]), "decoder_input_ids": torch.tensor([_OUTPUT])}
        # use_cache=False: transformers' own cache fails if the decoder is deeper than the encoder.
        check_logits(row, model(**given, use_cache=False).logits[0, -1].numpy())
