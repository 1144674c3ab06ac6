"""Exports denoising autoencoders of images: one graph for images of any size; those of one call have the same size."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from contracts.model_package.graphs import ImageAutoencoder as ImageAutoencoderGraph
from contracts.model_package.manifest import Batching, Limits, Manifest
from contracts.model_package.package import ModelPackage
from contracts.model_package.tasks import DenoiseImageTask, Image
from onnx_models.classic.networks.base import load
from onnx_models.classic.networks.image_autoencoder import ImageAutoencoder
from onnx_models.classic.requests import longest_input, open_network
from onnx_models.exporting.exporters import ExportRequest
from onnx_models.exporting.manifest_writer import manifest_of
from onnx_models.exporting.sources import Source
from onnx_models.exporting.torch_exporter import write_graph
from onnx_models.verification.comparison import Comparison
from onnx_models.verification.session import open_session, run_graph

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
"""Rows, height and width of the images that are compared. Odd sizes too: each layer halves them and rounds up."""


def make(request: ExportRequest, folder: Path) -> Manifest:
    """Write ``model.onnx``; return the manifest."""
    network, config = open_network(request, ImageAutoencoder, _TASKS)
    limit = longest_input(request, config.max_pixels)
    write_graph(
        network,
        folder / "model.onnx",
        # Sizes that halving rounds up, so that the trace has the slice that undoes it.
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
        # Images can't be padded without a change of their outputs: only equal sizes may share a batch.
        batching=Batching(max_batch_tokens=limit, max_padding=1.0),
    )


class ServedImageAutoencoder:
    """A session over one package, with ONNX Runtime and numpy alone."""

    def __init__(self, package: ModelPackage) -> None:
        self._session = open_session(package)

    def run(self, images: Floats) -> dict[str, Floats]:
        """Run images, float32 [rows, channels, height, width], as one batch; return the outputs by name."""
        return run_graph(self._session, {"pixel_values": images})


def compare(package: ModelPackage, source: Source) -> Comparison:
    """Compare batches of random images of several sizes with the torch network, each image also alone."""
    served, network = ServedImageAutoencoder(package), load(ImageAutoencoder, source.folder)
    found = Comparison()
    rng = np.random.default_rng(_SEED)
    limit, channels = package.manifest.limits.max_tokens, network.config.channels
    for rows, height, width in _SHAPES:
        if height * width > limit:
            continue
        images = rng.random((rows, channels, height, width), np.float32)
        batched = served.run(images)
        with torch.inference_mode():
            expected = dict(zip(_OUTPUTS, network(torch.from_numpy(images)), strict=True))
        for index in range(rows):
            alone = served.run(images[index : index + 1])
            for name in _OUTPUTS:
                # Slices keep the axis of the rows, without which a score would be no array.
                here = np.s_[index : index + 1]
                found.add(batched[name][here], expected[name][here].numpy())
                found.add_batched(alone[name], batched[name][here])
    found.note("batches", "images of equal size")
    return found
