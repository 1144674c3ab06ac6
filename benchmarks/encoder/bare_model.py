"""The ceiling: the worker's own model, driven in this process with the best batches that there are.

The whole set is known beforehand and sorted by length, so there is nearly no padding and no waiting, and nothing but
the model wants the cores. A server that learns of its texts one by one can come near to that and never beyond.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from contracts.model_package.package import load_package
from contracts.settings import StoreSettings
from contracts.tasks import EmbedParameters
from workers.encoder.embed import shape_vectors
from workers.encoder.model import EncoderModel
from workers.encoder.pooling import Floats
from workers.runtime.process.cpu import available_cpus
from workers.runtime.settings import WorkerSettings
from workers.runtime.tokenizing.tokenizer import Row

TRUNCATE = "right"


@dataclass(frozen=True)
class Drive:
    """One run over all texts: float32 [texts, dimensions] in their order, its time and size."""

    vectors: Floats
    elapsed_s: float
    num_tokens: int


class BareModel:
    """The model of a package as a worker loads it, without the worker."""

    def __init__(self, package: Path) -> None:
        self.model = EncoderModel(load_package(package), WorkerSettings(StoreSettings(), threads=available_cpus()))
        self.model.warm_up()

    def rows(self, texts: Sequence[str]) -> list[Row]:
        """Tokenize as the jobs of this benchmark ask for."""
        return self.model.tokenizer.rows(texts, TRUNCATE)

    def drive(self, texts: Sequence[str]) -> Drive:
        """Embed all texts, from text to vector, as fast as this session can."""
        started = time.perf_counter()
        rows = self.rows(texts)
        pooled: list[np.ndarray | None] = [None] * len(rows)
        for batch in _matched(rows, self.model.max_batch_tokens):
            for index, vector in zip(batch, self.model.run([rows[index] for index in batch]), strict=True):
                pooled[index] = vector
        elapsed_s = time.perf_counter() - started
        return Drive(self._shaped(pooled), elapsed_s, sum(row.num_tokens for row in rows))

    def _shaped(self, pooled: Sequence[np.ndarray | None]) -> Floats:
        embed = self.model.manifest.embed
        assert embed is not None, "the benchmark's model embeds"
        return shape_vectors(np.stack([vector for vector in pooled if vector is not None]), EmbedParameters(), embed)


def _matched(rows: Sequence[Row], max_batch_tokens: int) -> Iterator[list[int]]:
    """Yield the indices of each batch: neighbours in length, within the worker's own budget of padded tokens."""
    batch: list[int] = []
    for index in sorted(range(len(rows)), key=lambda index: rows[index].num_tokens):
        if batch and (len(batch) + 1) * rows[index].num_tokens > max_batch_tokens:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
