"""Compare an LSTM encoder-decoder with its textbook version, on sources of many lengths in a batch and alone."""

import numpy as np

from contracts.model_package.package import ModelPackage
from onnx_models.classic.networks.base import load
from onnx_models.classic.networks.lstm_attention import LstmAttention
from onnx_models.classic.recurrent.reference import TextbookLstmAttention
from onnx_models.classic.recurrent.served import ServedRecurrent
from onnx_models.exporting.sources import Source
from onnx_models.verification.comparison import Comparison
from onnx_models.verification.generation import compare_generation

_SEED = 20260104
_LENGTHS = ((4,), (9, 6, 1), (17, 3, 5, 12, 2), (40, 11, 1, 26))
_NEW_TOKENS = 20


def compare(package: ModelPackage, source: Source) -> Comparison:
    """Compare logits and greedy tokens for batches of random sources, each source also alone."""
    network = load(LstmAttention, source.folder)
    served, reference = ServedRecurrent(package), TextbookLstmAttention(network)
    found = Comparison()
    rng = np.random.default_rng(_SEED)
    limit = package.manifest.limits.max_tokens
    for lengths in _LENGTHS:
        sources = [rng.integers(network.config.vocab_size, size=min(size, limit)).tolist() for size in lengths]
        expected = [reference.generate(encoded, _NEW_TOKENS) for encoded in reference.encode(sources)]
        compare_generation(found, served, sources, expected)
    return found
