"""One tower of CLIP: embeddings of texts, or of images, in their common space (Radford et al., 2021)."""

from pathlib import Path
from typing import Any

from optimum.exporters.onnx import onnx_export_from_model
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPVisionModel, CLIPVisionModelWithProjection

from onnx_models.architectures.clip import tower_config
from onnx_models.errors import refusing
from onnx_models.exporting.exporters import ExportRequest
from onnx_models.exporting.loading import load_model
from onnx_models.exporting.optimum_exporter import quiet, read_config
from onnx_models.exporting.sources import Source

_TOWERS = {
    "embed": (CLIPTextModelWithProjection, CLIPTextModel),
    "embed-image": (CLIPVisionModelWithProjection, CLIPVisionModel),
}
_ARCHITECTURES = ("clip", "clip_text_model", "clip_vision_model")


def is_tower(architecture: str, task: str) -> bool:
    """Return whether a task needs only one tower of the model."""
    return architecture in _ARCHITECTURES and task in _TOWERS


def load_tower(source: Source, task: str) -> Any:
    """Return one tower of a source that has one or both, with its projection if there is one.

    Raises:
        ExportError: the source has no such tower.
    """
    projected, plain = _TOWERS[task]
    without_projection = plain.__name__ in (read_config(source).architectures or ())
    # A source of one tower has the class name of its tower; one with both has CLIPModel, and a projection.
    return load_model(plain if without_projection else projected, source)


def vectors_of(output: Any) -> Any:
    """Return the embeddings in the output of a tower: float32 [rows, size]."""
    return next(output[name] for name in ("text_embeds", "image_embeds", "pooler_output") if name in output)


def export_tower(request: ExportRequest, folder: Path) -> None:
    """Write ``model.onnx``, whose output is ``text_embeds`` or ``image_embeds`` [rows, size]."""
    # optimum's main_export loads models by their Auto class, and there is none for a tower with its projection.
    model = load_tower(request.source, request.task)
    with refusing(f"{request.source.name}: optimum can't export its tower"), quiet():
        onnx_export_from_model(
            model,
            folder,
            opset=request.opset,
            do_validation=False,
            task="feature-extraction",
            custom_onnx_configs={"model": tower_config(model, request.task)},
        )
