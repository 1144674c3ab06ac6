"""What the graphs of each kind take and answer. A worker refuses a package whose graphs are others.

Names are those of optimum's exporter, and ours where it has none. ``{i}`` stands for the number of a layer.
"""

from collections.abc import Mapping

from workers.runtime.graph_tensors import FLOAT, FLOAT_OR_HALF, INT64, Signature, Tensor
from workers.runtime.manifest import GraphKind, Manifest
from workers.runtime.model_package import PackageError

_IDS = Tensor("input_ids", INT64, 2)
_MASK = Tensor("attention_mask", INT64, 2)
_TEXT_OUTPUTS: Mapping[str, tuple[Tensor, ...]] = {
    "embed": (Tensor("last_hidden_state", FLOAT, 3),),
    "classify": (Tensor("logits", FLOAT, 2),),
    "entities": (Tensor("logits", FLOAT, 3),),
    "answer": (Tensor("start_logits", FLOAT, 2), Tensor("end_logits", FLOAT, 2)),
    "fill_mask": (Tensor("logits", FLOAT, 3),),
}
_CACHE = tuple(Tensor(f"past_key_values.{{i}}.{part}", FLOAT_OR_HALF, 4) for part in ("key", "value"))
_NEXT_CACHE = tuple(
    Tensor(f"present.{{i}}.{part}", FLOAT_OR_HALF, 4, follows=f"past_key_values.{{i}}.{part}")
    for part in ("key", "value")
)
_LOGITS = Tensor("logits", FLOAT, 3)


def outputs_of(graph: GraphKind, task: str) -> tuple[str, ...]:
    """Return the names of the outputs that the one graph of a text encoder has for a task."""
    return tuple(tensor.name for tensor in _TEXT_OUTPUTS[task])


def signatures_of(manifest: Manifest) -> Mapping[str, Signature]:
    """Return the graph files that a package must have, with what each takes and answers.

    Raises:
        PackageError: graphs of this kind can't do this task.
    """
    if manifest.graph == "text-encoder" and manifest.task in _TEXT_OUTPUTS:
        optional = (_MASK, Tensor("token_type_ids", INT64, 2))
        return {"model.onnx": Signature((_IDS,), optional, _TEXT_OUTPUTS[manifest.task])}
    if manifest.graph in _BY_GRAPH and manifest.task in _TASKS[manifest.graph]:
        return _BY_GRAPH[manifest.graph]
    raise PackageError(f"{manifest.name}: a graph of kind {manifest.graph!r} can't do the task {manifest.task!r}")


_TASKS: Mapping[GraphKind, tuple[str, ...]] = {
    "decoder-slots": ("generate",),
    "decoder-concat": ("generate",),
}
_BY_GRAPH: Mapping[GraphKind, Mapping[str, Signature]] = {
    "decoder-slots": {
        "model.onnx": Signature(
            (_IDS, Tensor("past_lengths", INT64, 1), Tensor("num_tokens", INT64, 1), *_CACHE),
            (),
            (_LOGITS, *_NEXT_CACHE),
        )
    },
    "decoder-concat": {
        "model.onnx": Signature((_IDS, _MASK, *_CACHE), (Tensor("position_ids", INT64, 2),), (_LOGITS, *_NEXT_CACHE))
    },
}
