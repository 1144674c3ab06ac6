"""Write a decoder's slot graph; needs the export environment."""

import inspect
import tempfile
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM

from onnx_models.decoders.slots.adapters import adapted, prepare
from onnx_models.decoders.slots.cache import NoSlotsError, SlotCache, attending_by
from onnx_models.decoders.slots.operators import pick_token
from onnx_models.decoders.slots.simplify import share_tied, simplify
from onnx_models.errors import ExportError, refusing
from onnx_models.exporter import LOCAL, quiet
from onnx_models.source import Source
from onnx_models.torch_graph import Axes, write_graph

GRAPH = "model.onnx"
_ROWS, _TOKENS, _MAX_LENGTH = "rows", "tokens", "max_length"
_EXAMPLE = {"input_ids": [[1, 2, 3], [3, 2, 1]], "past_lengths": [5, 2], "num_tokens": [3, 2]}
"""What is traced. Not at position 0, where nothing is rotated."""
_EXAMPLE_LENGTH = 11
_MAX_FILE_BYTES = 2_000_000_000
"""A protocol buffer ends at 2 GiB."""


def export_slots(source: Source, folder: Path, *, opset: int | None = None) -> None:
    """Write ``model.onnx`` (and ``model.onnx_data`` above 2 GB) of a source into ``folder``.

    Raises:
        NoSlotsError: the architecture's attention can't be one operator over a slot.
        ExportError: transformers can't load the source.
    """
    with refusing(f"{source.name}: transformers can't load it"):
        model = AutoModelForCausalLM.from_pretrained(
            source.folder, use_safetensors=True, dtype=torch.float32, **LOCAL
        ).eval()
    prepare(model)
    with tempfile.TemporaryDirectory(prefix="graph-", dir=folder.parent) as scratch:
        path = Path(scratch) / GRAPH
        _trace(model, path, opset)
        graph = onnx.load(path)
    types = {tensor.name.replace("past_key_values", "present"): tensor.type for tensor in graph.graph.input}
    for output in graph.graph.output[1:]:
        output.type.CopyFrom(types[output.name])  # the tracer can't know that a buffer keeps its shape
    simplify(graph)
    share_tied(graph.graph, model.get_input_embeddings().weight.numpy(force=True))
    _save(graph, folder / GRAPH)


class _SlotDecoder(nn.Module):
    """A decoder with the inputs and outputs of a slot graph."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self._takes = inspect.signature(model.forward).parameters

    def forward(self, input_ids: Tensor, past_lengths: Tensor, num_tokens: Tensor, *buffers: Tensor) -> Any:
        """Return logits [rows, vocabulary] of each row's last token, and the buffers."""
        tokens = input_ids.shape[1]
        last = num_tokens[:, None] - 1
        places = torch.ones_like(input_ids).cumsum(dim=1) - 1  # so written, shape inference sees that it is as long
        # Padding takes the position of the last token, so that it can't lie behind the end of a table of positions.
        positions = (past_lengths[:, None] + torch.minimum(places, last)).clamp(min=0)
        cache = SlotCache(
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
        with (
            attending_by(cache, self.model.config),
            adapted(self.model, cache),
            head.register_forward_pre_hook(lambda _, hidden: (pick_token(*hidden, index),)),
        ):
            logits = self.model(
                input_ids=input_ids, **{name: given for name, given in inputs.items() if name in self._takes}
            ).logits
        if None in cache.presents:
            raise NoSlotsError("its attention is not behind transformers' attention interface")
        return logits[:, 0], *(tensor for present in cache.presents if present for tensor in present)


def _trace(model: Any, path: Path, opset: int | None) -> None:
    """Write what torch's exporter makes of the model.

    Raises:
        NoSlotsError: it can't be traced over slots.
    """
    inputs: dict[str, tuple[Tensor, Axes]] = {
        name: (torch.tensor(example), {0: _ROWS, 1: _TOKENS} if name == "input_ids" else {0: _ROWS})
        for name, example in _EXAMPLE.items()
    }
    outputs: dict[str, Axes] = {"logits": {0: _ROWS}}
    axes = {0: _ROWS, 2: _MAX_LENGTH}
    try:
        with refusing("it has no cache of keys and values"):
            layers = _heads(model)
        for layer, (num_heads, size) in enumerate(layers):
            for kind in ("key", "value"):
                inputs[f"past_key_values.{layer}.{kind}"] = torch.zeros(2, num_heads, _EXAMPLE_LENGTH, size), axes
                outputs[f"present.{layer}.{kind}"] = axes
        write_graph(_SlotDecoder(model), path, inputs=inputs, outputs=outputs, opset=opset)
    except ExportError as error:
        reason = error.__cause__ if isinstance(error.__cause__, NoSlotsError) else error
        raise NoSlotsError(str(reason)) from error


def _heads(model: Any) -> list[tuple[int, int]]:
    """Return each layer's number of key-value heads and their size, from running the model once on one token.

    The configs of several architectures don't tell them, or tell others.
    """
    model.config.use_cache = True
    with torch.inference_mode(), quiet():
        cache = model(input_ids=torch.zeros(1, 1, dtype=torch.long)).past_key_values
    return [(layer.keys.shape[1], layer.keys.shape[3]) for layer in cache.layers]


def _save(graph: onnx.ModelProto, path: Path) -> None:
    """Write a graph, and its weights beside it if one file can't hold them."""
    num_bytes = sum(len(tensor.raw_data) for tensor in graph.graph.initializer)
    beside = {"save_as_external_data": True, "location": f"{path.name}_data"} if num_bytes > _MAX_FILE_BYTES else {}
    onnx.save(graph, path, **beside)
