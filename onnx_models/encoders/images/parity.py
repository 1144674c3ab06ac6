"""Compare an image encoder with torch: the same pixels and outputs, whatever the batch composition."""

from typing import Any

import numpy as np
import PIL.Image
import torch
from transformers import AutoModel, AutoModelForImageClassification

from contracts.model_package.manifest import Manifest
from contracts.model_package.package import ModelPackage
from contracts.model_package.signatures import encoder_outputs
from contracts.model_package.tasks import ClassifyImageTask, EmbedImageTask, Image, ImageTask
from onnx_models.encoders.images.clip import is_tower, load_tower, vectors_of
from onnx_models.encoders.images.metadata import load_processor, size_of
from onnx_models.encoders.images.served import Floats, PilImage, ServedImages, preprocess
from onnx_models.errors import ParityError
from onnx_models.exporting.loading import load_model
from onnx_models.exporting.sources import Source
from onnx_models.verification.comparison import Comparison

_SEED = 20260102
_ROWS = (1, 2, 5)
_SIZES = ((40, 60), (97, 33), (300, 301), (64, 64))
_MAX_PIXELS_DIFF = 1e-4
"""Largest difference between two ways to preprocess an image; one of the 255 levels is more than ten times as much."""


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
        """Run pixels [rows, channels, height, width] in torch; return the output that `ServedImages.run` returns."""
        output = self._model(pixel_values=torch.from_numpy(pixels))
        found: torch.Tensor = vectors_of(output) if self._pooled else output[self._output]
        return found.numpy()

    def predict(self, pixels: Floats) -> Floats:
        """Return embeddings, float32 [rows, dimensions], or scores, float32 [rows, labels]."""
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
    """Compare batches of 1 to 5 random images, each image also alone; then images that both sides preprocess."""
    served, reference = ServedImages(package), ReferenceImages(source, package.manifest)
    image = package.manifest.task_as(ImageTask).image
    found = Comparison()
    for pixels in random_pixels(image):
        batched = served.run(pixels)
        found.add(batched, reference.run(pixels))
        for index, row in enumerate(batched):
            found.add_batched(served.run(pixels[index : index + 1])[0], row)
    # On the manifest's pixels for both sides, so that the outputs do not include the difference in preprocessing.
    pixels = preprocess_both_ways(image, source, found)
    found.add(served.run(pixels), reference.run(pixels))
    difference = np.abs(served.predict(pixels) - reference.predict(pixels)).max()
    found.note_diff("answers_diff", float(difference))
    return found


def random_pixels(settings: Image) -> list[Floats]:
    """Return batches of noise in the shape of the graph's input, float32 [rows, channels, height, width]."""
    rng = np.random.default_rng(_SEED)
    return [rng.standard_normal((rows, len(settings.mean), *size_of(settings)), dtype=np.float32) for rows in _ROWS]


def preprocess_both_ways(settings: Image, source: Source, found: Comparison) -> Floats:
    """Preprocess sample images by the manifest and by transformers, note the difference, return the manifest's pixels.

    Raises:
        ParityError: the pixels differ.
    """
    images = _sample_images()
    served = preprocess(images, settings)
    expected: Any = load_processor(source)(images, return_tensors="np")["pixel_values"]
    if served.shape != expected.shape:
        raise ParityError(f"the [image] table gives pixels of {served.shape}, transformers' processor {expected.shape}")
    difference = float(np.abs(served - expected).max())
    # Not `>`, so that NaN is refused, too.
    if not difference <= _MAX_PIXELS_DIFF:
        raise ParityError(f"pixels by the [image] table and by transformers' processor differ by {difference:.3g}")
    found.note_diff("pixels_diff", difference)
    found.note("pictures", len(images))
    return served


def _sample_images() -> list[PilImage]:
    """Return images of several sizes with noise over a colour gradient."""
    rng = np.random.default_rng(_SEED)
    images = []
    for height, width in _SIZES:
        slope = np.linspace(0, 160, width)[None, :, None] * np.array([1.0, 0.6, 0.3])
        pixels = slope + rng.integers(0, 96, (height, width, 3))
        images.append(PIL.Image.fromarray(pixels.astype(np.uint8)))
    return images
