"""Exports image encoders: classification and embeddings of images."""

from pathlib import Path
from typing import Any

from contracts.model_package.graphs import ImageEncoder
from contracts.model_package.manifest import Limits, Manifest
from contracts.model_package.signatures import outputs_of
from contracts.model_package.tasks import ClassifyImageTask, EmbedImageTask, Image
from contracts.task_names import TaskName
from onnx_models.encoders import metadata
from onnx_models.encoders.graph import width_of, write_graph
from onnx_models.encoders.images.clip import is_tower
from onnx_models.encoders.images.metadata import image_table, num_patches
from onnx_models.encoders.images.parity import compare
from onnx_models.errors import ExportError
from onnx_models.exporting.exporters import ExportRequest
from onnx_models.exporting.manifest_writer import manifest_of
from onnx_models.exporting.optimum_exporter import read_config

__all__ = ["compare", "make"]
_OPTIMUM_TASKS: dict[TaskName, str] = {"embed-image": "feature-extraction", "classify-image": "image-classification"}


def make(request: ExportRequest, folder: Path) -> Manifest:
    """Write ``model.onnx``; return the manifest."""
    source, config = request.source, read_config(request.source)
    # A model of images only is its own vision config.
    vision = getattr(config, "vision_config", config)
    image = image_table(source, vision)
    write_graph(request, config.model_type, _OPTIMUM_TASKS[request.task], folder)
    return manifest_of(
        request,
        folder,
        graph=ImageEncoder(),
        task=_task(request, config, image, folder),
        architecture=config.model_type,
        limits=Limits(max_tokens=num_patches(image, vision)),
    )


def _task(request: ExportRequest, config: Any, image: Image, folder: Path) -> ClassifyImageTask | EmbedImageTask:
    """Return the task with its tables."""
    pooled = is_tower(config.model_type, request.task)
    width = width_of(folder, outputs_of("image-encoder", request.task, pooled=pooled))
    if request.task == "classify-image":
        return ClassifyImageTask(image=image, classify=metadata.classify_table(config))
    # optimum leaves the size of vectors without a projection dynamic.
    width = width or getattr(config, "vision_config", config).hidden_size
    if pooled:
        return EmbedImageTask(image=image, embed=metadata.pooled_table(width, request.pooling, request.normalize))
    if request.pooling == "last_token":
        raise ExportError("--pooling last_token is for texts: give --pooling cls or mean")
    embed = metadata.embed_table(request.source, width, request.pooling, request.normalize)
    return EmbedImageTask(image=image, embed=embed)
