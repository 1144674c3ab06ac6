"""An encoder on text as the worker serves it: tokenizer, session, and pooling. Step 6 on the path of a job."""

from collections.abc import Sequence

import numpy as np

from contracts.cards import ModelCard
from contracts.model_package.package import ModelPackage, PackageError
from contracts.model_package.signatures import encoder_outputs
from contracts.model_package.tasks import ClassifyTask, EmbedTask
from workers.encoder.pooling import POOLING
from workers.runtime.inference.budget import token_budget
from workers.runtime.inference.session import Array, open_graphs
from workers.runtime.models.served import card_of
from workers.runtime.settings import WorkerSettings
from workers.runtime.tokenizing.tokenizer import Tokenizer, TokenRow

GRAPH = "model.onnx"
TOKENIZER = "tokenizer.json"


class EncoderModel:
    """One loaded encoder, for the batching engine. Only the inference thread calls ``run``.

    Raises:
        PackageError: a file of the package is missing or not valid, or a limit contradicts the settings.
        DeviceError: the configured device is not available.
    """

    def __init__(self, package: ModelPackage, settings: WorkerSettings) -> None:
        self.manifest = package.manifest
        self.name = package.manifest.name
        self.task = package.manifest.task.name
        self.max_batch_length = token_budget(package.manifest, settings)
        self.max_padding = package.manifest.batching.max_padding
        self.tokenizer = Tokenizer(package.file(TOKENIZER), package.manifest.limits.max_tokens)
        self.session = open_graphs(package, device=settings.device, threads=settings.threads)[GRAPH]
        task = self.manifest.task
        self._embed = task.embed if isinstance(task, EmbedTask) else None
        self._labels = task.classify.labels if isinstance(task, ClassifyTask) else None
        self._pool = POOLING[self._embed.pooling] if self._embed and self._embed.pooling != "none" else None
        self._size = self._embed.dimensions if self._embed else len(self._labels or ())
        (self._output,) = encoder_outputs(self.manifest)

    def run(self, rows: Sequence[TokenRow]) -> list[Array]:
        """Run one model call; return the vector, float32 [size], or the logits, float32 [labels], of each row."""
        longest = max(row.length for row in rows)
        token_ids, mask, type_ids = (np.zeros((len(rows), longest), np.int64) for _ in range(3))
        for index, row in enumerate(rows):
            token_ids[index, : row.length] = row.token_ids
            type_ids[index, : row.length] = row.type_ids
            mask[index, : row.length] = 1
        # Not every graph has all inputs: RoBERTa and DistilBERT have no token types.
        named = {"input_ids": token_ids, "attention_mask": mask, "token_type_ids": type_ids}
        feeds = {name: named[name] for name in self.session.inputs}
        output = self.session.run(self._output, feeds)
        answers = self._pool(output, mask) if self._pool else output
        if not np.isfinite(answers).all():  # JSON can't represent NaN and infinity
            raise RuntimeError("the model returned NaN or infinity")
        return list(answers)

    def warm_up(self) -> None:
        """Run a short text and one of maximum length, so that a broken package fails before it is served.

        Raises:
            PackageError: the graph fails, or its output does not have the size that the manifest declares.
        """
        (short,) = self.tokenizer.rows(["warm up"], "right")
        (longest,) = self.tokenizer.rows(["warm up " * self.tokenizer.max_tokens], "right")
        for row in (short, longest):
            try:
                (answer,) = self.run([row])
            except Exception as error:
                raise PackageError(f"{self.name}: the graph can't run {row.length} tokens: {error}") from error
            if answer.shape != (self._size,):
                raise PackageError(
                    f"{self.name}: the graph returns {list(answer.shape)} numbers a row, the manifest says {self._size}"
                )

    def card(self) -> ModelCard:
        """Return the card that is announced to the gateway and its clients."""
        return card_of(
            self.manifest,
            max_tokens=self.tokenizer.max_tokens,
            dimensions=self._embed.dimensions if self._embed else None,
            labels=self._labels,
        )
