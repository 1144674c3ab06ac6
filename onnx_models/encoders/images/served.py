"""The serving side of a comparison of pictures: ONNX Runtime, Pillow and numpy, with what the package carries.

As in `onnx_models.encoders.texts.served`, steps are written out here and not taken from the workers.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pictures

from contracts.model_package.package import ModelPackage
from contracts.model_package.tasks import ClassifyImageTask, EmbedImageTask, Image
from onnx_models.encoders.images.metadata import size_of
from onnx_models.encoders.texts.served import pool, score
from onnx_models.verification.session import open_session

Floats = NDArray[np.float32]
Picture: TypeAlias = Pictures.Image


def prepare(pictures: Sequence[Picture], facts: Image) -> Floats:
    """Return ``pixel_values``, float32 [pictures, channels, height, width], by the steps of the [image] table."""
    return np.stack([_prepared(picture, facts) for picture in pictures])


def _prepared(picture: Picture, facts: Image) -> Floats:
    picture = picture.convert("RGB")
    picture = picture.resize(_new_size(picture, facts.resize), Pictures.Resampling[facts.resample.upper()])
    height, width = size_of(facts)
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    pixels = np.asarray(picture, np.float32)[top : top + height, left : left + width] * np.float32(facts.rescale)
    normalized = (pixels - np.array(facts.mean, np.float32)) / np.array(facts.std, np.float32)
    return normalized.transpose(2, 0, 1).astype(np.float32)


def _new_size(picture: Picture, resize: list[int]) -> tuple[int, int]:
    """Return width and height. Where the shortest edge is given, the other one keeps the proportions, rounded down."""
    if len(resize) == 2:
        return resize[1], resize[0]
    shorter, longer = sorted(picture.size)
    long = int(resize[0] * longer / shorter)
    return (resize[0], long) if picture.width <= picture.height else (long, resize[0])


class ServedImages:
    """A session over a package that takes pictures and nothing else."""

    def __init__(self, package: ModelPackage) -> None:
        self.manifest = package.manifest
        self._session = open_session(package)

    def run(self, pixels: Floats) -> Floats:
        """Run pixels [rows, channels, height, width]; return the graph's one output, [rows, ..., size]."""
        (output,) = self._session.run(None, {"pixel_values": pixels})
        return output

    def answer(self, pixels: Floats) -> Floats:
        """Return vectors, float32 [rows, dimensions], or scores, float32 [rows, labels]."""
        output, task = self.run(pixels), self.manifest.task
        if isinstance(task, EmbedImageTask):
            vectors = np.stack([pool(row, task.embed.pooling) for row in output])
            return vectors / np.linalg.norm(vectors, axis=1, keepdims=True) if task.embed.normalize else vectors
        return score(output, task.classify.function_to_apply) if isinstance(task, ClassifyImageTask) else output
