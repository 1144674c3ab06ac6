"""Write the slot graphs of an encoder-decoder of texts; needs the export environment."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoModelForSeq2SeqLM
from transformers.modeling_outputs import BaseModelOutput

from onnx_models.errors import refusing
from onnx_models.exporting.optimum_exporter import LOCAL
from onnx_models.exporting.sources import Source
from onnx_models.exporting.torch_exporter import Axes, write_graph
from onnx_models.seq2seq.served import ENCODER, present
from onnx_models.seq2seq.served_slots import DECODER
from onnx_models.seq2seq.slots.adapters import adapted, source_parts
from onnx_models.seq2seq.slots.cache import PairCache, SourceCache
from onnx_models.slots.cache import NoSlotsError, SlotCache, attending_by
from onnx_models.slots.finishing import finish, run, scratch_folders
from onnx_models.slots.replacing import plain_products

_ROWS, _SOURCE, _MAX_LENGTH, _MAX_SOURCE = "rows", "source", "max_length", "max_source"
_SOURCES = {"input_ids": [[1, 2, 3, 4], [3, 2, 1, 0]], "attention_mask": [[1, 1, 1, 1], [1, 1, 1, 0]]}
_TOKENS = {"input_ids": [[1], [3]], "past_lengths": [5, 2], "num_tokens": [1, 1], "source_lengths": [4, 3]}
"""What is traced."""
_EXAMPLE_LENGTH, _EXAMPLE_SOURCE = 11, 7
_ANSWER = [3, 2, 1]
"""What both sides read to be compared."""
_TOLERANCE = 1e-3
"""Largest difference from the model that a graph may have here; wrong graphs are far away, `verify` is strict."""


def export_slots(source: Source, folder: Path, *, opset: int | None = None) -> None:
    """Write ``encoder_model.onnx`` and ``decoder_model.onnx`` (``_data`` beside them above 2 GB) into ``folder``.

    Raises:
        NoSlotsError: the architecture's attention can't be one operator over a slot; nothing is written.
        ExportError: transformers can't load the source.
    """
    with refusing(f"{source.name}: transformers can't load it"):
        model = AutoModelForSeq2SeqLM.from_pretrained(
            source.folder, use_safetensors=True, dtype=torch.float32, attn_implementation="eager", **LOCAL
        ).eval()
    with scratch_folders(folder) as (traced, finished):
        heads = {name: (part.num_heads, part.size) for name, part in source_parts(model).items()}
        _trace_encoder(model, heads, traced / ENCODER, opset)
        _trace_decoder(model, heads, traced / DECODER, opset)
        for name in (ENCODER, DECODER):
            finish(model, traced / name, finished / name)
        _check(model, heads, finished)


class _Encoder(nn.Module):
    """An encoder, and what the decoder's layers make of its output."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Any:
        """Return each decoder layer's keys and values of the source, [rows, heads, source, size]."""
        with plain_products():
            hidden = self.model.get_encoder()(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            return [
                part.project(hidden).unflatten(2, (part.num_heads, part.size)).transpose(1, 2)
                for part in source_parts(self.model).values()
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
        # A row without a token takes the position of its last one, so that it can't lie behind a table's end.
        positions = (past_lengths + num_tokens - 1).clamp(min=0)
        last = (source_lengths - 1).clamp(min=0)
        cache = PairCache(
            SlotCache(pairs[:middle], past_lengths.to(torch.int32), (past_lengths.max() + 1).to(torch.int32)),
            SourceCache(pairs[middle:], last.to(torch.int32), (last.max() + 1).to(torch.int32)),
            positions[:, None],
        )
        nothing = input_ids[:, :, None].to(torch.float32)  # the encoder's output, which nobody reads
        with attending_by(cache, self.model.config), adapted(self.model, cache):
            logits = self.model(
                encoder_outputs=BaseModelOutput(last_hidden_state=nothing),
                decoder_input_ids=input_ids,
                past_key_values=cache,
                cache_position=torch.zeros(1, dtype=torch.long),
                use_cache=True,
            ).logits
        if None in cache.presents:
            raise NoSlotsError("its attention is not behind transformers' attention interface")
        return logits[:, 0], *(tensor for layer in cache.presents if layer for tensor in layer)


def _trace_encoder(model: Any, heads: dict[str, tuple[int, int]], path: Path, opset: int | None) -> None:
    axes: Axes = {0: _ROWS, 1: _SOURCE}
    inputs = {name: (torch.tensor(given), axes) for name, given in _SOURCES.items()}
    outputs: dict[str, Axes] = {present(name): {0: _ROWS, 2: _SOURCE} for name in heads}
    write_graph(_Encoder(model), path, inputs=inputs, outputs=outputs, opset=opset)


def _trace_decoder(model: Any, heads: dict[str, tuple[int, int]], path: Path, opset: int | None) -> None:
    inputs: dict[str, tuple[Tensor, Axes]] = {
        name: (torch.tensor(given), {0: _ROWS}) for name, given in _TOKENS.items()
    }
    outputs: dict[str, Axes] = {"logits": {0: _ROWS}}
    for name, buffer in _buffers(heads).items():
        axes = {0: _ROWS, 2: _MAX_SOURCE if ".encoder." in name else _MAX_LENGTH}
        inputs[name] = torch.from_numpy(buffer), axes
        outputs[present(name)] = axes
    write_graph(_Decoder(model), path, inputs=inputs, outputs=outputs, opset=opset)


def _buffers(heads: dict[str, tuple[int, int]]) -> dict[str, np.ndarray]:
    """Return empty buffers for two rows, in the order of the decoder's inputs: its own, and then the source's."""
    own = {name.replace(".encoder.", ".decoder."): sizes for name, sizes in heads.items()}
    lengths = [(own, _EXAMPLE_LENGTH), (heads, _EXAMPLE_SOURCE)]
    return {
        name: np.zeros((2, number, length, size), np.float32)
        for sizes, length in lengths
        for name, (number, size) in sizes.items()
    }


@torch.inference_mode()
def _check(model: Any, heads: dict[str, tuple[int, int]], folder: Path) -> None:
    """Make sure that the graphs read two sources and write after them, side by side, as the model does for each.

    A tracer keeps one of the ways that Python code can go, and its exporter has its own faults.
    """
    feed = {name: np.array(given) for name, given in _SOURCES.items()}
    lengths = feed["attention_mask"].sum(axis=1)
    buffers = _buffers(heads)
    for name, found in zip(heads, run(folder / ENCODER, [present(name) for name in heads], feed), strict=True):
        buffers[name][:, :, : found.shape[2]] = found
    names = ["logits", *(present(name) for name in buffers)]
    for age, token in enumerate(_ANSWER):
        own = {"past_lengths": np.full(2, age), "num_tokens": np.ones(2, np.int64), "source_lengths": lengths}
        logits, *after = run(folder / DECODER, names, {"input_ids": np.full((2, 1), token), **own, **buffers})
        buffers = dict(zip(buffers, after, strict=True))
    for row, source, length in zip(logits, _SOURCES["input_ids"], lengths, strict=True):
        given = {"input_ids": torch.tensor([source[:length]]), "decoder_input_ids": torch.tensor([_ANSWER])}
        expected = model(**given, use_cache=False).logits[0, -1].numpy()
        if not np.allclose(row, expected, rtol=_TOLERANCE, atol=_TOLERANCE * np.abs(expected).max()):
            raise NoSlotsError("its slot graph answers other logits than the model")
