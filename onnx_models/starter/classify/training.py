"""Train the starter classifier by cross entropy."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from transformers import BertForSequenceClassification

from onnx_models.starter.classify.sentences import LABELS, labelled_sentences
from onnx_models.starter.training.encoders import EncoderTraining

_BATCH_SIZE = 128
_Labelled = list[tuple[str, int]]


class ClassifierTraining(EncoderTraining[_Labelled]):
    """Trains on sentences with the index of their label, each seen once."""

    def __init__(self, seed: int, num_steps: int) -> None:
        # All sentences before the first step, because the tokenizer counts their words.
        self._sentences = labelled_sentences(num_steps * _BATCH_SIZE, seed)
        super().__init__(seed, num_steps, (text for text, _ in self._sentences))

    def build_model(self) -> nn.Module:
        """Return a BERT with a classifier on its pooled output."""
        labels = dict(enumerate(LABELS))
        return BertForSequenceClassification(self.config(id2label=labels, problem_type="single_label_classification"))

    def rounds(self) -> Sequence[Iterator[_Labelled]]:
        """Return one round in the order of the corpus."""
        starts = range(0, len(self._sentences), _BATCH_SIZE)
        return [iter([self._sentences[start : start + _BATCH_SIZE] for start in starts])]

    def loss(self, model: nn.Module, batch: _Labelled) -> Tensor:
        """Return the cross entropy of the labels."""
        texts, labels = zip(*batch, strict=True)
        return nn.functional.cross_entropy(model(**self.inputs(texts)).logits, torch.tensor(labels))
