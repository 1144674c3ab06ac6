"""Exports text encoders: embeddings, classification of texts and tokens, question answering, masked words."""

from pathlib import Path
from typing import Any

from contracts.model_package.graphs import TextEncoder
from contracts.model_package.manifest import Limits, Manifest
from contracts.model_package.signatures import outputs_of
from contracts.model_package.tasks import (
    ClassifyTask,
    EmbedTask,
    FillMaskTask,
    QuestionAnswerTask,
    Task,
    TokenClassifyTask,
)
from contracts.task_names import TaskName
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
_OPTIMUM_TASKS: dict[TaskName, str] = {
    "embed": "feature-extraction",
    "classify": "text-classification",
    "token-classify": "token-classification",
    "question-answer": "question-answering",
    "fill-mask": "fill-mask",
}


def make(request: ExportRequest, folder: Path) -> Manifest:
    """Write ``model.onnx`` and ``tokenizer.json``; return the manifest."""
    source, config = request.source, read_config(request.source)
    # Before the graph is written: it fails at once, and tracing a large model takes minutes.
    limit = metadata.max_tokens(source, getattr(config, "text_config", config), request.max_tokens)
    write_graph(request, config.model_type, _OPTIMUM_TASKS[request.task], folder)
    write_tokenizer(source, folder)
    # sentence-transformers can lower-case texts itself, which workers do not do.
    metadata.check_lower_case(source, folder)
    return manifest_of(
        request,
        folder,
        graph=TextEncoder(),
        task=_task(request, config, folder),
        architecture=config.model_type,
        limits=Limits(max_tokens=limit),
        export=_prompt(source),
    )


def _task(request: ExportRequest, config: Any, folder: Path) -> Task:
    """Return the task with its table."""
    pooled = is_tower(config.model_type, request.task)
    width = width_of(folder, outputs_of("text-encoder", request.task, pooled=pooled))
    if pooled:
        return EmbedTask(embed=metadata.pooled_table(width, request.pooling, request.normalize))
    match request.task:
        case "embed":
            return EmbedTask(embed=metadata.embed_table(request.source, width, request.pooling, request.normalize))
        case "classify":
            return ClassifyTask(classify=metadata.classify_table(config))
        case "token-classify":
            return TokenClassifyTask(token_classify=metadata.token_classify_table(config))
        case "fill-mask":
            return FillMaskTask(fill_mask=metadata.fill_mask_table(request.source))
    return QuestionAnswerTask()


def _prompt(source: Source) -> dict[str, str]:
    prompt = metadata.default_prompt(source)
    return {"default_prompt": prompt} if prompt else {}
