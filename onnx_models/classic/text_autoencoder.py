"""Text autoencoders: one graph that answers a text anew, its vector, and how odd it is."""

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
from onnx_models.classic.networks.text_autoencoder import TextAutoencoder, TextAutoencoderConfig
from onnx_models.classic.requests import check_task, max_tokens
from onnx_models.exporting.exporters import ExportRequest
from onnx_models.exporting.manifest_writer import manifest_of
from onnx_models.exporting.sources import Source
from onnx_models.exporting.torch_exporter import write_graph
from onnx_models.tokenizers.beside import copy_tokenizer
from onnx_models.verification.comparison import Comparison
from onnx_models.verification.session import open_session

Outputs = dict[str, NDArray[np.float32]]
"""Of one text: logits [tokens, vocabulary], latent [size], score [1]."""
_TASKS = ("denoise",)
_BY_TOKEN, _BY_ROW = {0: "batch_size", 1: "sequence_length"}, {0: "batch_size"}
_OUTPUTS = {"logits": _BY_TOKEN, "latent": _BY_ROW, "score": _BY_ROW}
_SEED = 20260105
_LENGTHS = ((1,), (3, 9), (17, 2, 5, 30, 1, 12))


def make(request: ExportRequest, folder: Path) -> Manifest:
    """Write ``model.onnx`` and ``tokenizer.json``; see `onnx_models.exporting.exporters.Exporter`."""
    source = request.source
    check_task(request, _TASKS)
    network = load(TextAutoencoder, source.folder)
    config: TextAutoencoderConfig = network.config
    limit = max_tokens(request, config.max_tokens)
    copy_tokenizer(source, folder, vocabulary=config.vocab_size)
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
    """A session over one package; ONNX Runtime and numpy alone."""

    def __init__(self, package: ModelPackage) -> None:
        self._session = open_session(package)

    def run(self, rows: Sequence[Sequence[int]]) -> list[Outputs]:
        """Run rows of token ids as one batch, padded on the right with id 0."""
        shape = len(rows), max(len(row) for row in rows)
        ids, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for index, row in enumerate(rows):
            ids[index, : len(row)], mask[index, : len(row)] = row, 1
        answers = self._session.run(list(_OUTPUTS), {"input_ids": ids, "attention_mask": mask})
        logits, latents, scores = (np.asarray(answer) for answer in answers)
        return [
            {"logits": logits[index, : len(row)], "latent": latents[index], "score": scores[index : index + 1]}
            for index, row in enumerate(rows)
        ]


def compare(package: ModelPackage, source: Source) -> Comparison:
    """Compare batches of random texts with the torch network, which reads each alone and without padding.

    See `onnx_models.exporting.exporters.Exporter`.
    """
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
