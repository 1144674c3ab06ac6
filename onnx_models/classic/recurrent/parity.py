"""Compare an LSTM-to-LSTM package with the textbook: sources of many lengths read and answered side by side."""

import numpy as np

from contracts.model_package.package import ModelPackage
from onnx_models.classic.networks.base import load
from onnx_models.classic.networks.lstm_attention import LstmAttention
from onnx_models.classic.recurrent.reference import TextbookLstmAttention
from onnx_models.classic.recurrent.served import ServedRecurrent
from onnx_models.exporting.sources import Source
from onnx_models.verification.comparison import Comparison

_SEED = 20260104
_LENGTHS = ((4,), (9, 6, 1), (17, 3, 5, 12, 2), (40, 11, 1, 26))
_NEW_TOKENS = 20


def compare(package: ModelPackage, source: Source) -> Comparison:
    """Compare logits and greedy tokens of batches of random sources, alone and together.

    See `onnx_models.exporting.exporters.Exporter`.
    """
    network = load(LstmAttention, source.folder)
    served, reference = ServedRecurrent(package), TextbookLstmAttention(network)
    found = Comparison()
    rng = np.random.default_rng(_SEED)
    limit = package.manifest.limits.max_tokens
    for lengths in _LENGTHS:
        sources = [rng.integers(network.config.vocab_size, size=min(size, limit)).tolist() for size in lengths]
        expected = [reference.write(read, _NEW_TOKENS) for read in reference.read(sources)]
        answers = [tokens for tokens, _ in expected]
        together = served.follow(sources, answers)
        for ids, row, (tokens, logits) in zip(sources, together, expected, strict=True):
            found.add(row, logits)
            found.add_batched(served.follow([ids], [tokens])[0], row)
        for written, tokens in zip(served.write(sources, _NEW_TOKENS), answers, strict=True):
            found.add_tokens(written, tokens)
    return found
