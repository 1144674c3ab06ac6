"""Image encoders: labels for pictures, vectors of pictures."""

from pathlib import Path
from typing import Any

from contracts.model_package.manifest import Limits, Manifest
from contracts.model_package.signatures import outputs_of
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
_OPTIMUM_TASKS = {"embed_image": "feature-extraction", "classify_image": "image-classification"}


def make(request: ExportRequest, folder: Path) -> Manifest:
    """Write ``model.onnx``; see `onnx_models.exporting.exporters.Exporter`."""
    source, config = request.source, read_config(request.source)
    vision = getattr(config, "vision_config", config)
    image = image_table(source, vision)
    write_graph(request, config.model_type, _OPTIMUM_TASKS[request.task], folder)
    return manifest_of(
        request,
        folder,
        graph="image-encoder",
        architecture=config.model_type,
        limits=Limits(max_tokens=num_patches(image, vision)),
        image=image,
        **_table(request, config, vision, folder),
    )


def _table(request: ExportRequest, config: Any, vision: Any, folder: Path) -> dict[str, Any]:
    """Return the manifest's table for the task, as keyword arguments."""
    pooled = is_tower(config.model_type, request.task)
    width = width_of(folder, outputs_of("image-encoder", request.task, "none" if pooled else None))
    if request.task == "classify_image":
        return {"classify": metadata.classify_table(config)}
    width = width or vision.hidden_size  # the exporter leaves the shape of vectors without a projection open
    if pooled:
        return {"embed": metadata.pooled_table(width, request.pooling, request.normalize)}
    if request.pooling == "last_token":
        raise ExportError("--pooling last_token is for texts: give --pooling cls or mean")
    return {"embed": metadata.embed_table(request.source, width, request.pooling, request.normalize)}
