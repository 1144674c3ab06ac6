"""The package's side of a comparison of image encoders: ONNX Runtime, Pillow and numpy.

As in `onnx_models.encoders.texts.served`, the steps are implemented here a second time, independently of the workers.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from contracts.model_package.package import ModelPackage
from contracts.model_package.tasks import ClassifyImageTask, EmbedImageTask, Image
from onnx_models.encoders.images.metadata import size_of
from onnx_models.encoders.texts.served import pool, score
from onnx_models.verification.session import open_session

Floats = NDArray[np.float32]
PilImage: TypeAlias = PIL.Image.Image


def preprocess(images: Sequence[PilImage], settings: Image) -> Floats:
    """Return ``pixel_values``, float32 [images, channels, height, width], by the steps of the [image] table."""
    return np.stack([_preprocess_one(image, settings) for image in images])


def _preprocess_one(image: PilImage, settings: Image) -> Floats:
    image = image.convert("RGB")
    image = image.resize(_new_size(image, settings.resize), PIL.Image.Resampling[settings.resample.upper()])
    height, width = size_of(settings)
    # Rounded down, as in transformers; another rounding shifts the image by a pixel.
    left, top = (image.width - width) // 2, (image.height - height) // 2
    pixels = np.asarray(image, np.float32)[top : top + height, left : left + width] * np.float32(settings.rescale)
    normalized = (pixels - np.array(settings.mean, np.float32)) / np.array(settings.std, np.float32)
    return normalized.transpose(2, 0, 1).astype(np.float32)


def _new_size(image: PilImage, resize: list[int]) -> tuple[int, int]:
    """Return width and height. If the shortest edge is given, the other one keeps the aspect ratio, rounded down."""
    if len(resize) == 2:
        return resize[1], resize[0]
    shorter, longer = sorted(image.size)
    long = int(resize[0] * longer / shorter)
    return (resize[0], long) if image.width <= image.height else (long, resize[0])


class ServedImages:
    """A session over a package that takes only images."""

    def __init__(self, package: ModelPackage) -> None:
        self.manifest = package.manifest
        self._session = open_session(package)

    def run(self, pixels: Floats) -> Floats:
        """Run pixels [rows, channels, height, width]; return the graph's one output, [rows, ..., size]."""
        (output,) = self._session.run(None, {"pixel_values": pixels})
        return output

    def predict(self, pixels: Floats) -> Floats:
        """Return embeddings, float32 [rows, dimensions], or scores, float32 [rows, labels]."""
        output, task = self.run(pixels), self.manifest.task
        if isinstance(task, EmbedImageTask):
            vectors = np.stack([pool(row, task.embed.pooling) for row in output])
            return vectors / np.linalg.norm(vectors, axis=1, keepdims=True) if task.embed.normalize else vectors
        return score(output, task.classify.function_to_apply) if isinstance(task, ClassifyImageTask) else output
