"""Exports text autoencoders: one graph that returns the reconstruction of a text, its latent vector and its score."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from contracts.model_package.graphs import TextAutoencoder as TextAutoencoderGraph
from contracts.model_package.manifest import Limits, Manifest
from contracts.model_package.package import ModelPackage
from contracts.model_package.tasks import DenoiseTask
from onnx_models.classic.networks.base import load
from onnx_models.classic.networks.text_autoencoder import TextAutoencoder
from onnx_models.classic.requests import longest_input, open_network
from onnx_models.exporting.exporters import ExportRequest
from onnx_models.exporting.manifest_writer import manifest_of
from onnx_models.exporting.sources import Source
from onnx_models.exporting.torch_exporter import write_graph
from onnx_models.tokenizers.copying import copy_tokenizer
from onnx_models.verification.comparison import Comparison
from onnx_models.verification.session import open_session, pad_right, run_graph

Outputs = dict[str, NDArray[np.float32]]
"""Outputs for one text: logits [tokens, vocabulary], latent [size], score [1]."""
_TASKS = ("denoise",)
_BY_TOKEN, _BY_ROW = {0: "batch_size", 1: "sequence_length"}, {0: "batch_size"}
_OUTPUTS = {"logits": _BY_TOKEN, "latent": _BY_ROW, "score": _BY_ROW}
_SEED = 20260105
_LENGTHS = ((1,), (3, 9), (17, 2, 5, 30, 1, 12))


def make(request: ExportRequest, folder: Path) -> Manifest:
    """Write ``model.onnx`` and ``tokenizer.json``; return the manifest."""
    network, config = open_network(request, TextAutoencoder, _TASKS)
    limit = longest_input(request, config.max_tokens)
    copy_tokenizer(request.source, folder, vocabulary=config.vocab_size)
    # Not longer than the table of positions.
    ids = torch.zeros(2, min(3, config.max_tokens), dtype=torch.int64)
    write_graph(
        network,
        folder / "model.onnx",
        inputs={"input_ids": (ids, _BY_TOKEN), "attention_mask": (torch.ones_like(ids), _BY_TOKEN)},
        outputs=_OUTPUTS,
        opset=request.opset,
    )
    return manifest_of(
        request,
        folder,
        graph=TextAutoencoderGraph(),
        task=DenoiseTask(),
        architecture=network.model_type,
        limits=Limits(max_tokens=limit, max_new_tokens=limit),
    )


class ServedTextAutoencoder:
    """A session over one package, with ONNX Runtime and numpy alone."""

    def __init__(self, package: ModelPackage) -> None:
        self._session = open_session(package)

    def run(self, rows: Sequence[Sequence[int]]) -> list[Outputs]:
        """Run rows of token ids as one batch, padded on the right with id 0."""
        ids, mask = pad_right(rows)
        outputs = run_graph(self._session, {"input_ids": ids, "attention_mask": mask})
        logits, latents, scores = (outputs[name] for name in _OUTPUTS)
        return [
            {"logits": logits[index, : len(row)], "latent": latents[index], "score": scores[index : index + 1]}
            for index, row in enumerate(rows)
        ]


def compare(package: ModelPackage, source: Source) -> Comparison:
    """Compare batches of random texts with the torch network, which runs each alone and without padding."""
    served, network = ServedTextAutoencoder(package), load(TextAutoencoder, source.folder)
    found = Comparison()
    rng = np.random.default_rng(_SEED)
    limit = package.manifest.limits.max_tokens
    for lengths in (*_LENGTHS, (limit,)):
        rows = [rng.integers(network.config.vocab_size, size=min(size, limit)).tolist() for size in lengths]
        for row, outputs in zip(rows, served.run(rows), strict=True):
            alone, expected = served.run([row])[0], _reference(network, row)
            for name in _OUTPUTS:
                found.add(outputs[name], expected[name])
                found.add_batched(alone[name], outputs[name])
    return found


@torch.inference_mode()
def _reference(network: TextAutoencoder, row: Sequence[int]) -> Outputs:
    ids = torch.tensor([row])
    logits, latent, score = (output.numpy() for output in network(ids, torch.ones_like(ids)))
    return {"logits": logits[0], "latent": latent[0], "score": score}
