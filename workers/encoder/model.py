"""An encoder as the worker serves it: package, tokenizer, session, and the pooling that belongs to its graph.

Rows in, one array a row out: the pooled vector of an embedder, the logits of a classifier.
"""

from collections.abc import Sequence

import numpy as np

from contracts.registry import ModelCard
from workers.encoder.pooling import POOLING
from workers.runtime.model_package import ModelPackage
from workers.runtime.session import Array, Session
from workers.runtime.settings import WorkerSettings
from workers.runtime.tokenization import Row, Tokenizer

GRAPH = "model.onnx"
TOKENIZER = "tokenizer.json"


class EncoderModel:
    """One loaded encoder. ``run`` is called by the inference thread only; the rest from any thread."""

    def __init__(self, package: ModelPackage, settings: WorkerSettings) -> None:
        self.manifest = package.manifest
        self.name = package.manifest.name
        self.task = package.manifest.task
        self.revision = package.manifest.revision
        self.max_batch_tokens = settings.max_batch_tokens or package.manifest.batching.max_batch_tokens
        self.max_padding = package.manifest.batching.max_padding
        self.tokenizer = Tokenizer(package.file(TOKENIZER), package.manifest.limits.max_tokens)
        self.session = Session(package.file(GRAPH), device=settings.device, threads=settings.threads)
        self._pool = POOLING[self.manifest.embed.pooling] if self.manifest.embed else None

    def run(self, rows: Sequence[Row]) -> list[Array]:
        """Run one batch; return float32 [size] or [labels] for each row."""
        longest = max(row.num_tokens for row in rows)
        token_ids, mask, type_ids = (np.zeros((len(rows), longest), np.int64) for _ in range(3))
        for index, row in enumerate(rows):
            token_ids[index, : row.num_tokens] = row.token_ids
            type_ids[index, : row.num_tokens] = row.type_ids
            mask[index, : row.num_tokens] = 1
        named = {"input_ids": token_ids, "attention_mask": mask, "token_type_ids": type_ids}
        feeds = {name: named[name] for name in self.session.inputs}
        if self._pool is None:
            return list(self.session.run("logits", feeds))
        return list(self._pool(self.session.run("last_hidden_state", feeds), mask))

    def warm_up(self) -> None:
        """Run a short text and the longest one: what does not fit fails now, not in the first job."""
        (short,) = self.tokenizer.rows(["warm up"], "right")
        (longest,) = self.tokenizer.rows(["warm up " * self.tokenizer.max_tokens], "right")
        for row in (short, longest):
            self.run([row])

    def card(self) -> ModelCard:
        """Return what the gateway and clients may know of this model."""
        return ModelCard(
            name=self.name,
            task=self.task,
            family=self.manifest.family,
            revision=self.revision,
            licence=self.manifest.licence,
            description=self.manifest.description,
            max_tokens=self.tokenizer.max_tokens,
            dimensions=self.manifest.embed.dimensions if self.manifest.embed else None,
            labels=self.manifest.classify.labels if self.manifest.classify else None,
            quality=self.manifest.quality,
        )
