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
from onnx_models.exporting.optimum_exporter import LOCAL, quiet
from onnx_models.exporting.sources import Source
from onnx_models.exporting.torch_exporter import Axes, write_graph
from onnx_models.slots.cache import NoSlotsError, SlotCache, attending_by
from onnx_models.slots.finishing import finish, run, scratch_folders
from onnx_models.slots.operators import pick_token

GRAPH = "model.onnx"
_ROWS, _TOKENS, _MAX_LENGTH = "rows", "tokens", "max_length"
_IDS, _NUM_TOKENS = [[1, 2, 3], [3, 2, 1]], [3, 2]
_EXAMPLE = {"input_ids": _IDS, "past_lengths": [5, 2], "num_tokens": _NUM_TOKENS}
"""What is traced. Not at position 0, where nothing is rotated."""
_EXAMPLE_LENGTH = 11
_TOLERANCE = 1e-3
"""Largest difference from the model that a graph may have here; wrong graphs are far away, `verify` is strict."""


def export_slots(source: Source, folder: Path, *, opset: int | None = None) -> None:
    """Write ``model.onnx`` (and ``model.onnx_data`` above 2 GB) of a source into ``folder``.

    Raises:
        NoSlotsError: the architecture's attention can't be one operator over a slot; nothing is written.
        ExportError: transformers can't load the source.
    """
    with refusing(f"{source.name}: transformers can't load it"):
        model = AutoModelForCausalLM.from_pretrained(
            source.folder, use_safetensors=True, dtype=torch.float32, attn_implementation="eager", **LOCAL
        ).eval()
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
            head.register_forward_pre_hook(lambda _, inputs: (pick_token(inputs[0], index),)),
        ):
            logits = self.model(
                input_ids=input_ids, **{name: given for name, given in inputs.items() if name in self._takes}
            ).logits
        if None in cache.presents:
            raise NoSlotsError("its attention is not behind transformers' attention interface")
        return logits[:, 0], *(tensor for present in cache.presents if present for tensor in present)


def _trace(model: Any, path: Path, opset: int | None) -> None:
    """Write what torch's exporter makes of the model."""
    inputs: dict[str, tuple[Tensor, Axes]] = {
        name: (torch.tensor(example), {0: _ROWS, 1: _TOKENS} if name == "input_ids" else {0: _ROWS})
        for name, example in _EXAMPLE.items()
    }
    outputs: dict[str, Axes] = {"logits": {0: _ROWS}}
    axes = {0: _ROWS, 2: _MAX_LENGTH}
    for name, (num_heads, size) in _buffers(model).items():
        inputs[name] = torch.zeros(2, num_heads, _EXAMPLE_LENGTH, size), axes
        outputs[name.replace("past_key_values", "present")] = axes
    write_graph(_SlotDecoder(model), path, inputs=inputs, outputs=outputs, opset=opset)


def _buffers(model: Any) -> dict[str, tuple[int, int]]:
    """Return number and size of the heads in each buffer, from running the model once on one token.

    The configs of several architectures don't tell them, or tell others.
    """
    model.config.use_cache = True
    with refusing("it has no cache of keys and values"), torch.inference_mode(), quiet():
        cache = model(input_ids=torch.zeros(1, 1, dtype=torch.long)).past_key_values
        return {
            f"past_key_values.{index}.{kind}": (layer.keys.shape[1], layer.keys.shape[3])
            for index, layer in enumerate(cache.layers)
            for kind in ("key", "value")
        }


@torch.inference_mode()
def _check(model: Any, path: Path) -> None:
    """Make sure that a graph reads two prompts, side by side in empty slots, as the model reads each.

    A tracer keeps one of the ways that Python code can go, and its exporter has its own faults.
    """
    feed: dict[str, NDArray[Any]] = {"input_ids": np.array(_IDS), "num_tokens": np.array(_NUM_TOKENS)}
    feed["past_lengths"] = np.zeros_like(feed["num_tokens"])
    for name, (num_heads, size) in _buffers(model).items():
        feed[name] = np.zeros((len(_IDS), num_heads, _EXAMPLE_LENGTH, size), np.float32)
    (found,) = run(path, ["logits"], feed)
    for row, prompt, length in zip(found, _IDS, _NUM_TOKENS, strict=True):
        expected = model(input_ids=torch.tensor([prompt[:length]])).logits[0, -1].numpy()
        if not np.allclose(row, expected, rtol=_TOLERANCE, atol=_TOLERANCE * np.abs(expected).max()):
            raise NoSlotsError("its slot graph answers other logits than the model")
