"""Text encoders: token vectors, labels for texts and tokens, answers in a text, words for a gap."""

from pathlib import Path
from typing import Any

from contracts.model_package.manifest import Limits, Manifest
from contracts.model_package.signatures import outputs_of
from onnx_models.encoders import metadata
from onnx_models.encoders.graph import width_of, write_graph
from onnx_models.encoders.images.clip import is_tower
from onnx_models.encoders.texts.parity import compare
from onnx_models.exporting.exporters import ExportRequest
from onnx_models.exporting.manifest_writer import manifest_of
from onnx_models.exporting.optimum_exporter import read_config
from onnx_models.exporting.sources import Source
from onnx_models.tokenizers.write import write_tokenizer

__all__ = ["compare", "make"]
_OPTIMUM_TASKS = {
    "embed": "feature-extraction",
    "classify": "text-classification",
    "entities": "token-classification",
    "answer": "question-answering",
    "fill_mask": "fill-mask",
}


def make(request: ExportRequest, folder: Path) -> Manifest:
    """Write ``model.onnx`` and ``tokenizer.json``; see `onnx_models.exporting.exporters.Exporter`."""
    source, config = request.source, read_config(request.source)
    limit = metadata.max_tokens(source, getattr(config, "text_config", config), request.max_tokens)
    write_graph(request, config.model_type, _OPTIMUM_TASKS[request.task], folder)
    write_tokenizer(source, folder)
    metadata.check_lower_case(source, folder)
    return manifest_of(
        request,
        folder,
        graph="text-encoder",
        architecture=config.model_type,
        limits=Limits(max_tokens=limit),
        **_table(request, config, folder),
        export=_prompt(source),
    )


def _table(request: ExportRequest, config: Any, folder: Path) -> dict[str, Any]:
    """Return the manifest's table for the task, as keyword arguments."""
    pooled = is_tower(config.model_type, request.task)
    width = width_of(folder, outputs_of("text-encoder", request.task, "none" if pooled else None))
    if pooled:
        return {"embed": metadata.pooled_table(width, request.pooling, request.normalize)}
    if request.task == "embed":
        return {"embed": metadata.embed_table(request.source, width, request.pooling, request.normalize)}
    if request.task == "classify":
        return {"classify": metadata.classify_table(config)}
    if request.task == "entities":
        return {"entities": metadata.entities_table(config)}
    if request.task == "fill_mask":
        return {"fill_mask": metadata.fill_mask_table(request.source)}
    return {}


def _prompt(source: Source) -> dict[str, str]:
    prompt = metadata.default_prompt(source)
    return {"default_prompt": prompt} if prompt else {}
