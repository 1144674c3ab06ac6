"""The ceiling: the worker's own model, called in this process with the best possible batches.

All texts are known beforehand and sorted by length, so there is almost no padding and no waiting, and the model has the
cores to itself. A server that receives its texts one by one can approach this throughput and never exceed it.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from contracts.machine import available_cpus
from contracts.model_package.package import load_package
from contracts.model_package.tasks import EmbedTask
from contracts.settings import StoreSettings
from contracts.tasks.embed import EmbedParameters
from workers.encoder.embed import shape_vectors
from workers.encoder.pooling import Floats
from workers.encoder.tasks import open_encoder
from workers.runtime.settings import WorkerSettings
from workers.runtime.tokenizing.tokenizer import TokenRow

TRUNCATE: Final = "right"


@dataclass(frozen=True)
class BareRun:
    """One run over all texts: their vectors in order, float32 [texts, dimensions], its duration and its tokens."""

    vectors: Floats
    elapsed_s: float
    num_tokens: int


class BareModel:
    """The model of a package as a worker loads it, without the worker."""

    def __init__(self, package: Path) -> None:
        self.model = open_encoder(load_package(package), WorkerSettings(StoreSettings(), threads=available_cpus()))
        self.model.warm_up()  # as a worker does; the first calls of a session allocate

    def rows(self, texts: Sequence[str]) -> list[TokenRow]:
        """Tokenize texts with the parameters that the jobs of this benchmark have."""
        return self.model.tokenizer.rows(texts, TRUNCATE)

    def embed(self, texts: Sequence[str]) -> BareRun:
        """Embed all texts, from text to vector, as fast as this session can."""
        started = time.perf_counter()
        rows = self.rows(texts)
        pooled: list[np.ndarray | None] = [None] * len(rows)
        for batch in _batches(rows, self.model.max_batch_length):
            for index, vector in zip(batch, self.model.run([rows[index] for index in batch]), strict=True):
                pooled[index] = vector
        elapsed_s = time.perf_counter() - started
        return BareRun(self._shaped(pooled), elapsed_s, sum(row.length for row in rows))

    def _shaped(self, pooled: Sequence[np.ndarray | None]) -> Floats:
        embed = self.model.manifest.task_as(EmbedTask).embed
        return shape_vectors(np.stack([vector for vector in pooled if vector is not None]), EmbedParameters(), embed)


def _batches(rows: Sequence[TokenRow], max_batch_tokens: int) -> Iterator[list[int]]:
    """Yield the indices of each batch: texts of similar length, within the worker's own budget of padded tokens."""
    batch: list[int] = []
    for index in sorted(range(len(rows)), key=lambda index: rows[index].length):
        if batch and (len(batch) + 1) * rows[index].length > max_batch_tokens:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
