"""Compare an image encoder with torch: same pixels from the same pictures, same outputs, in any company."""

from typing import Any

import numpy as np
import torch
from PIL import Image as Pictures
from transformers import AutoModel, AutoModelForImageClassification

from contracts.model_package.manifest import Manifest
from contracts.model_package.package import ModelPackage
from contracts.model_package.signatures import encoder_outputs
from contracts.model_package.tasks import ClassifyImageTask, EmbedImageTask, Image, ImageTask
from onnx_models.encoders.images.clip import is_tower, load_tower, vectors_of
from onnx_models.encoders.images.metadata import load_processor, size_of
from onnx_models.encoders.images.served import Floats, Picture, ServedImages, prepare
from onnx_models.encoders.loading import load_model
from onnx_models.errors import ParityError
from onnx_models.exporting.sources import Source
from onnx_models.verification.comparison import Comparison

_SEED = 20260102
_ROWS = (1, 2, 5)
_SIZES = ((40, 60), (97, 33), (300, 301), (64, 64))
_MAX_PIXELS_DIFF = 1e-4
"""Between two ways to prepare a picture; one level of 255 is more than ten times as much."""


class ReferenceImages:
    """The torch model of one source, in float32 on CPU."""

    def __init__(self, source: Source, manifest: Manifest) -> None:
        self._task = manifest.task
        self._pooled = is_tower(manifest.architecture, manifest.task.name)
        self._output = encoder_outputs(manifest)[0]
        if self._pooled:
            self._model = load_tower(source, manifest.task.name)
        elif isinstance(manifest.task, EmbedImageTask):
            self._model = load_model(AutoModel, source, spare="pooler")
        else:
            self._model = load_model(AutoModelForImageClassification, source)

    @torch.inference_mode()
    def run(self, pixels: Floats) -> Floats:
        """Return what `ServedImages.run` returns."""
        output = self._model(pixel_values=torch.from_numpy(pixels))
        found: torch.Tensor = vectors_of(output) if self._pooled else output[self._output]
        return found.numpy()

    def answer(self, pixels: Floats) -> Floats:
        """Return what `ServedImages.answer` returns."""
        output = torch.from_numpy(self.run(pixels))
        match self._task:
            case EmbedImageTask(embed=embed):
                if not self._pooled:
                    output = output[:, 0] if embed.pooling == "cls" else output.mean(dim=1)
                output = torch.nn.functional.normalize(output, dim=1) if embed.normalize else output
            case ClassifyImageTask(classify=classify) if classify.function_to_apply != "none":
                output = output.softmax(dim=1) if classify.function_to_apply == "softmax" else output.sigmoid()
        return output.numpy()


def compare(package: ModelPackage, source: Source) -> Comparison:
    """Compare batches of 1 to 5 random pictures, each picture also alone; then pictures that both sides prepare.

    See `onnx_models.exporting.exporters.Exporter`.
    """
    served, reference = ServedImages(package), ReferenceImages(source, package.manifest)
    image = package.manifest.task_as(ImageTask).image
    found = Comparison()
    for pixels in random_pixels(image):
        together = served.run(pixels)
        found.add(together, reference.run(pixels))
        for index, row in enumerate(together):
            found.add_batched(served.run(pixels[index : index + 1])[0], row)
    pixels = prepare_both_ways(image, source, found)
    found.add(served.run(pixels), reference.run(pixels))
    difference = np.abs(served.answer(pixels) - reference.answer(pixels)).max()
    found.note("answers_diff", float(f"{difference:.2g}"))
    return found


def random_pixels(facts: Image) -> list[Floats]:
    """Return batches of noise as a graph takes it, float32 [rows, channels, height, width]."""
    rng = np.random.default_rng(_SEED)
    return [rng.standard_normal((rows, len(facts.mean), *size_of(facts)), dtype=np.float32) for rows in _ROWS]


def prepare_both_ways(facts: Image, source: Source, found: Comparison) -> Floats:
    """Prepare sample pictures by the manifest and by transformers, note the difference, return the manifest's pixels.

    Raises:
        ParityError: they differ.
    """
    pictures = _pictures()
    served = prepare(pictures, facts)
    expected: Any = load_processor(source)(pictures, return_tensors="np")["pixel_values"]
    if served.shape != expected.shape:
        raise ParityError(f"the [image] table makes pixels of {served.shape}, transformers' processor {expected.shape}")
    difference = float(np.abs(served - expected).max())
    if not difference <= _MAX_PIXELS_DIFF:
        raise ParityError(f"pixels by the [image] table and by transformers' processor differ by {difference:.3g}")
    found.note("pixels_diff", float(f"{difference:.2g}"))
    found.note("pictures", len(pictures))
    return served


def _pictures() -> list[Picture]:
    """Return pictures of several sizes, [height, width], with noise over a slope of colours."""
    rng = np.random.default_rng(_SEED)
    pictures = []
    for height, width in _SIZES:
        slope = np.linspace(0, 160, width)[None, :, None] * np.array([1.0, 0.6, 0.3])
        pixels = slope + rng.integers(0, 96, (height, width, 3))
        pictures.append(Pictures.fromarray(pixels.astype(np.uint8)))
    return pictures
