"""Denoising autoencoders of pictures: one graph for pictures of any size, those of one call alike in size."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from contracts.model_package.graphs import ImageAutoencoder as ImageAutoencoderGraph
from contracts.model_package.manifest import Batching, Limits, Manifest
from contracts.model_package.package import ModelPackage
from contracts.model_package.tasks import DenoiseImageTask, Image
from onnx_models.classic.networks.base import load
from onnx_models.classic.networks.image_autoencoder import ImageAutoencoder, ImageAutoencoderConfig
from onnx_models.classic.requests import check_task, max_tokens
from onnx_models.exporting.exporters import ExportRequest
from onnx_models.exporting.manifest_writer import manifest_of
from onnx_models.exporting.sources import Source
from onnx_models.exporting.torch_exporter import write_graph
from onnx_models.verification.comparison import Comparison
from onnx_models.verification.session import open_session

Floats = NDArray[np.float32]
_TASKS = ("denoise-image",)
_PIXELS = {0: "batch_size", 2: "height", 3: "width"}
_OUTPUTS = {
    "reconstruction": _PIXELS,
    "score": {0: "batch_size"},
    "error_map": {0: "batch_size", 1: "height", 2: "width"},
}
_SEED = 20260106
_SHAPES = ((1, 28, 28), (5, 28, 28), (3, 40, 33), (2, 7, 50), (1, 1, 1))
"""Rows, height and width of the pictures that are compared."""


def make(request: ExportRequest, folder: Path) -> Manifest:
    """Write ``model.onnx``; see `onnx_models.exporting.exporters.Exporter`."""
    source = request.source
    check_task(request, _TASKS)
    network = load(ImageAutoencoder, source.folder)
    config: ImageAutoencoderConfig = network.config
    limit = max_tokens(request, config.max_pixels)
    write_graph(
        network,
        folder / "model.onnx",
        inputs={"pixel_values": (torch.zeros(2, config.channels, 10, 13), _PIXELS)},
        outputs=_OUTPUTS,
        opset=request.opset,
    )
    return manifest_of(
        request,
        folder,
        graph=ImageAutoencoderGraph(),
        task=DenoiseImageTask(image=Image(resize=[], mean=config.mean, std=config.std)),
        architecture=network.model_type,
        limits=Limits(max_tokens=limit),
        batching=Batching(max_batch_tokens=limit, max_padding=1.0),
    )


class ServedImageAutoencoder:
    """A session over one package; ONNX Runtime and numpy alone."""

    def __init__(self, package: ModelPackage) -> None:
        self._session = open_session(package)

    def run(self, pictures: Floats) -> dict[str, Floats]:
        """Run pictures, float32 [rows, channels, height, width], as one batch."""
        answers = self._session.run(list(_OUTPUTS), {"pixel_values": pictures})
        return {name: np.asarray(answer) for name, answer in zip(_OUTPUTS, answers, strict=True)}


def compare(package: ModelPackage, source: Source) -> Comparison:
    """Compare batches of random pictures of several sizes, odd ones too, with the torch network.

    See `onnx_models.exporting.exporters.Exporter`.
    """
    served, network = ServedImageAutoencoder(package), load(ImageAutoencoder, source.folder)
    found = Comparison()
    rng = np.random.default_rng(_SEED)
    limit, channels = package.manifest.limits.max_tokens, network.config.channels
    for rows, height, width in _SHAPES:
        if height * width > limit:
            continue
        pictures = rng.random((rows, channels, height, width), np.float32)
        together = served.run(pictures)
        with torch.inference_mode():
            expected = dict(zip(_OUTPUTS, network(torch.from_numpy(pictures)), strict=True))
        for index in range(rows):
            alone = served.run(pictures[index : index + 1])
            for name in _OUTPUTS:
                # A score is one number; as a row of one it is compared like the arrays.
                here = np.s_[index : index + 1]
                found.add(together[name][here], expected[name][here].numpy())
                found.add_batched(alone[name], together[name][here])
    found.note("batches", "pictures of equal size")
    return found
