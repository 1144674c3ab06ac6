"""The inputs and outputs that the graphs of each kind must have. A worker refuses a package whose graphs differ.

Names are those of optimum's exporter, and our own where it has none. ``{i}`` stands for the number of a layer.
"""

from collections.abc import Mapping

from contracts.model_package.files import PackageError
from contracts.model_package.graphs import EncoderDecoder, GraphKind
from contracts.model_package.manifest import Manifest
from contracts.model_package.tasks import VectorTask
from contracts.model_package.tensors import BOOL, FLOAT, FLOAT_OR_HALF, INT64, Signature, TensorSpec
from contracts.task_names import TaskName

MERGED_DECODER = "decoder_model_merged.onnx"
"""Has two branches over the same weights: one for the first step, and one that takes a cache."""

_IDS = TensorSpec("input_ids", INT64, 2)
_MASK = TensorSpec("attention_mask", INT64, 2)
_PIXELS = TensorSpec("pixel_values", FLOAT, 4)
_ENCODER_INPUTS: Mapping[GraphKind, tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]] = {
    "text-encoder": ((_IDS,), (_MASK, TensorSpec("token_type_ids", INT64, 2))),
    "image-encoder": ((_PIXELS,), ()),
}
_ENCODER_OUTPUTS: Mapping[GraphKind, Mapping[TaskName, tuple[TensorSpec, ...]]] = {
    "text-encoder": {
        "embed": (TensorSpec("last_hidden_state", FLOAT, 3),),
        "classify": (TensorSpec("logits", FLOAT, 2),),
        "token-classify": (TensorSpec("logits", FLOAT, 3),),
        "question-answer": (TensorSpec("start_logits", FLOAT, 2), TensorSpec("end_logits", FLOAT, 2)),
        "fill-mask": (TensorSpec("logits", FLOAT, 3),),
    },
    "image-encoder": {
        "embed-image": (TensorSpec("last_hidden_state", FLOAT, 3),),
        "classify-image": (TensorSpec("logits", FLOAT, 2),),
    },
}
_POOLED_OUTPUTS: Mapping[GraphKind, tuple[TensorSpec, ...]] = {
    "text-encoder": (TensorSpec("text_embeds", FLOAT, 2),),
    "image-encoder": (TensorSpec("image_embeds", FLOAT, 2),),
}


def _cache(*prefixes: str) -> tuple[list[TensorSpec], list[TensorSpec]]:
    """Return a layer's keys and values with each prefix, as inputs and as outputs."""
    parts = [f"{{i}}.{prefix}{part}" for prefix in prefixes for part in ("key", "value")]
    pasts = [TensorSpec(f"past_key_values.{part}", FLOAT_OR_HALF, 4) for part in parts]
    presents = [TensorSpec(f"present.{part}", FLOAT_OR_HALF, 4, next_input=f"past_key_values.{part}") for part in parts]
    return pasts, presents


# Packages of precision fp16 have float16 only where an output becomes an input of the next call, so that no step
# converts it there and back. Logits and all other inputs and outputs are float32 in every package.
_CACHE, _NEXT_CACHE = _cache("")
_PAIR_CACHE, _NEXT_PAIR_CACHE = _cache("decoder.", "encoder.")
_SOURCE_CACHE = tuple(tensor._replace(next_input="") for tensor in _NEXT_PAIR_CACHE if ".encoder." in tensor.name)
_SLOTS = (_IDS, TensorSpec("past_lengths", INT64, 1), TensorSpec("num_tokens", INT64, 1))
_LOGITS = TensorSpec("logits", FLOAT, 3)
_SOURCE = (TensorSpec("encoder_hidden_states", FLOAT, 3), TensorSpec("attention_keys", FLOAT, 3))
_STATE = (TensorSpec("hidden", FLOAT_OR_HALF, 2), TensorSpec("cell", FLOAT_OR_HALF, 2))
_NEXT_STATE = tuple(TensorSpec(f"new_{name}", dtypes, 2, next_input=name) for name, dtypes, _, _ in _STATE)


def outputs_of(graph: GraphKind, task: TaskName, *, pooled: bool = False) -> tuple[str, ...]:
    """Return the names of the outputs that the graph of an encoder has for a task.

    Args:
        graph: "text-encoder" or "image-encoder".
        task: one of its tasks.
        pooled: whether the graph returns one vector for each row, instead of one for each token or patch.
    """
    return tuple(tensor.name for tensor in _encoder_outputs(graph, task, pooled))


def encoder_outputs(manifest: Manifest) -> tuple[str, ...]:
    """Return the names of the outputs of an encoder's graph."""
    return outputs_of(manifest.graph.kind, manifest.task.name, pooled=_is_pooled(manifest))


def _encoder_outputs(graph: GraphKind, task: TaskName, pooled: bool) -> tuple[TensorSpec, ...]:
    return _POOLED_OUTPUTS[graph] if pooled else _ENCODER_OUTPUTS[graph][task]


def _is_pooled(manifest: Manifest) -> bool:
    return isinstance(manifest.task, VectorTask) and manifest.task.embed.pooling == "none"


def signatures_of(manifest: Manifest) -> Mapping[str, Signature]:
    """Return the graph files that a package must have, with the signature of each.

    Raises:
        PackageError: graphs of this kind can't do this task.
    """
    graph, kind, task = manifest.graph, manifest.graph.kind, manifest.task.name
    if task in _ENCODER_OUTPUTS.get(kind, ()):
        required, optional = _ENCODER_INPUTS[kind]
        return {"model.onnx": Signature(required, optional, _encoder_outputs(kind, task, _is_pooled(manifest)))}
    if isinstance(graph, EncoderDecoder) and task in _SEQ2SEQ_INPUTS:
        return _encoder_decoder(_SEQ2SEQ_INPUTS[task], graph.decoder.cross_cache)
    if kind in _BY_GRAPH and task in _TASKS[kind]:
        return _BY_GRAPH[kind]
    raise PackageError(f"{manifest.name}: a graph of kind {kind!r} can't do the task {task!r}")


def _encoder_decoder(inputs: tuple[TensorSpec, ...], cross_cache: bool) -> Mapping[str, Signature]:
    """Return the signatures of optimum's merged encoder-decoders, to whose decoder our exporter adds a mask."""
    cache, next_cache = (_PAIR_CACHE, _NEXT_PAIR_CACHE) if cross_cache else (_CACHE, _NEXT_CACHE)
    hidden, branch = TensorSpec("encoder_hidden_states", FLOAT, 3), TensorSpec("use_cache_branch", BOOL, 1)
    source_mask = (TensorSpec("encoder_attention_mask", INT64, 2),) if _MASK in inputs else ()
    return {
        "encoder_model.onnx": Signature(inputs, (), (TensorSpec("last_hidden_state", FLOAT, 3),)),
        MERGED_DECODER: Signature((_IDS, _MASK, hidden, *source_mask, branch, *cache), (), (_LOGITS, *next_cache)),
    }


_SEQ2SEQ_INPUTS: Mapping[TaskName, tuple[TensorSpec, ...]] = {
    **dict.fromkeys(("translate", "summarize", "denoise", "text2text"), (_IDS, _MASK)),
    "transcribe": (TensorSpec("input_features", FLOAT, 3),),
    "caption": (TensorSpec("pixel_values", FLOAT, 4),),
}
_TASKS: Mapping[GraphKind, tuple[TaskName, ...]] = {
    "image-text": ("zero-shot-image",),
    "decoder-slots": ("generate",),
    "decoder-concat": ("generate",),
    "decoder-memory": ("generate",),
    "ctc": ("transcribe",),
    "encoder-decoder-slots": ("translate", "summarize", "denoise", "text2text"),
    "recurrent": ("translate", "denoise", "text2text"),
    "text-autoencoder": ("denoise",),
    "image-autoencoder": ("denoise-image",),
}
_BY_GRAPH: Mapping[GraphKind, Mapping[str, Signature]] = {
    "image-text": {"model.onnx": Signature((_IDS, _PIXELS), (_MASK,), (TensorSpec("logits_per_image", FLOAT, 2),))},
    "decoder-slots": {"model.onnx": Signature((*_SLOTS, *_CACHE), (), (TensorSpec("logits", FLOAT, 2), *_NEXT_CACHE))},
    "decoder-concat": {
        "model.onnx": Signature(
            (_IDS, _MASK, *_CACHE), (TensorSpec("position_ids", INT64, 2),), (_LOGITS, *_NEXT_CACHE)
        )
    },
    "decoder-memory": {
        "model.onnx": Signature(
            (_IDS, TensorSpec("mems.{i}", FLOAT_OR_HALF, 3)),
            (),
            (_LOGITS, TensorSpec("new_mems.{i}", FLOAT_OR_HALF, 3, next_input="mems.{i}")),
        )
    },
    "ctc": {"model.onnx": Signature((TensorSpec("input_values", FLOAT, 2),), (), (_LOGITS,))},
    "encoder-decoder-slots": {
        "encoder_model.onnx": Signature((_IDS, _MASK), (), _SOURCE_CACHE),
        "decoder_model.onnx": Signature(
            (*_SLOTS, TensorSpec("source_lengths", INT64, 1), *_PAIR_CACHE),
            (),
            (TensorSpec("logits", FLOAT, 2), *_NEXT_PAIR_CACHE),
        ),
    },
    "recurrent": {
        "encoder_model.onnx": Signature((_IDS, _MASK), (), (*_SOURCE, *_STATE)),
        "decoder_model.onnx": Signature(
            (_IDS, TensorSpec("encoder_attention_mask", INT64, 2), *_SOURCE, *_STATE), (), (_LOGITS, *_NEXT_STATE)
        ),
    },
    "text-autoencoder": {
        "model.onnx": Signature(
            (_IDS, _MASK), (), (_LOGITS, TensorSpec("latent", FLOAT, 2), TensorSpec("score", FLOAT, 1))
        )
    },
    "image-autoencoder": {
        "model.onnx": Signature(
            (TensorSpec("pixel_values", FLOAT, 4),),
            (),
            (TensorSpec("reconstruction", FLOAT, 4), TensorSpec("score", FLOAT, 1), TensorSpec("error_map", FLOAT, 3)),
        )
    },
}
