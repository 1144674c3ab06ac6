"""Train the starter embedding model by in-batch contrast.

Of all second sentences in a batch, the paraphrase of the first one must be nearest (multiple negatives ranking,
Henderson et al. 2017, arXiv:1705.00652), over mean-pooled, normalised vectors.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from transformers import BertModel

from onnx_models.starter.embed.paraphrases import training_batches
from onnx_models.starter.training.encoders import EncoderTraining

_BATCH_SIZE = 128
# Cosines reach only from -1 to 1: undivided, they would give a softmax that is almost flat.
_TEMPERATURE = 0.05
_Pairs = list[tuple[str, str]]


class EmbedderTraining(EncoderTraining[_Pairs]):
    """Trains on pairs of paraphrases, each seen once."""

    def __init__(self, seed: int, num_steps: int) -> None:
        # A list, because the tokenizer counts the words of all batches before the first step.
        self._batches = list(training_batches(num_steps, _BATCH_SIZE, seed))
        super().__init__(seed, num_steps, (text for batch in self._batches for pair in batch for text in pair))

    def build_model(self) -> nn.Module:
        """Return a BERT without a pooler."""
        return BertModel(self.config(), add_pooling_layer=False)

    def rounds(self) -> Sequence[Iterator[_Pairs]]:
        """Return one round in the order of the corpus."""
        return [iter(self._batches)]

    def loss(self, model: nn.Module, batch: _Pairs) -> Tensor:
        """Return the mean of both directions: from first to second sentences, and from second to first."""
        firsts, seconds = zip(*batch, strict=True)
        vectors = self._vectors(model, [*firsts, *seconds])
        similarities = vectors[: len(firsts)] @ vectors[len(firsts) :].T / _TEMPERATURE
        right = torch.arange(len(firsts))
        forth, back = (nn.functional.cross_entropy(table, right) for table in (similarities, similarities.T))
        return (forth + back) / 2

    def _vectors(self, model: nn.Module, texts: Sequence[str]) -> Tensor:
        """Return mean-pooled vectors of length 1, float32 [texts, dimensions]."""
        inputs = self.inputs(texts)
        weights = inputs["attention_mask"].unsqueeze(-1).float()
        vectors = model(**inputs).last_hidden_state
        return nn.functional.normalize((vectors * weights).sum(dim=1) / weights.sum(dim=1), dim=1)
