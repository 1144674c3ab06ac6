"""What the graphs of each kind take and answer. A worker refuses a package whose graphs are others.

Names are those of optimum's exporter, and ours where it has none. ``{i}`` stands for the number of a layer.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from workers.runtime.manifest import GraphKind, Manifest

_TASK_OUTPUTS: Mapping[str, tuple[str, ...]] = {
    "embed": ("last_hidden_state",),
    "classify": ("logits",),
    "entities": ("logits",),
    "answer": ("start_logits", "end_logits"),
    "fill_mask": ("logits",),
}


class Signature(NamedTuple):
    """The tensors of one graph file: names, or patterns with ``{i}`` for layers."""

    needed: tuple[str, ...]
    allowed: tuple[str, ...]
    """Inputs that a graph may have besides."""
    outputs: tuple[str, ...]
    """Outputs that a graph must have; others are not read."""


def outputs_of(graph: GraphKind, task: str) -> tuple[str, ...]:
    """Return the outputs that the one graph of a text encoder has for a task."""
    return _TASK_OUTPUTS[task]


def signatures_of(manifest: Manifest) -> dict[str, Signature]:
    """Return the graph files that a package must have, with their signatures."""
    if manifest.graph == "text-encoder":
        optional = ("attention_mask", "token_type_ids")
        return {"model.onnx": Signature(("input_ids",), optional, outputs_of(manifest.graph, manifest.task))}
    return _SIGNATURES[manifest.graph]


_SIGNATURES: dict[GraphKind, dict[str, Signature]] = {
    "decoder-slots": {
        "model.onnx": Signature(
            ("input_ids", "past_lengths", "num_tokens", "past_key_values.{i}.key", "past_key_values.{i}.value"),
            (),
            ("logits", "present.{i}.key", "present.{i}.value"),
        )
    },
    "decoder-concat": {
        "model.onnx": Signature(
            ("input_ids", "attention_mask", "past_key_values.{i}.key", "past_key_values.{i}.value"),
            ("position_ids",),
            ("logits", "present.{i}.key", "present.{i}.value"),
        )
    },
}


def matches(pattern: str, name: str) -> bool:
    """Tell whether a tensor's name is the pattern's, with any number for ``{i}``."""
    return re.fullmatch(re.escape(pattern).replace(r"\{i\}", r"\d+"), name) is not None
