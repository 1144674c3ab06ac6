"""An encoder on text as the worker serves it: tokenizer, session, and the head of its task. Step 6 on a job's path."""

from collections.abc import Sequence

import numpy as np

from contracts.cards import ModelCard
from contracts.model_package.package import ModelPackage, PackageError
from contracts.model_package.signatures import encoder_outputs
from contracts.price.profile import ModelProfile
from workers.encoder.head import Head, RowArrays
from workers.runtime.batching.measuring import measure_rows, shared_length
from workers.runtime.inference.budget import call_budget_bytes, fitting_tokens, token_budget
from workers.runtime.inference.call_memory import PROBE_TOKENS
from workers.runtime.inference.session import Array, open_graphs
from workers.runtime.models.served import card_of
from workers.runtime.price.measuring import LONGEST_TOKENS
from workers.runtime.settings import WorkerSettings
from workers.runtime.tokenizing.tokenizer import Tokenizer, TokenRow

GRAPH = "model.onnx"
TOKENIZER = "tokenizer.json"


class EncoderModel:
    """One loaded encoder, for the batching engine. Only the inference thread calls ``run``.

    ``head`` is what its task makes of the graph's outputs.

    Raises:
        PackageError: a file of the package is missing or not valid, or a limit contradicts the settings.
        DeviceError: the configured device is not available.
    """

    def __init__(self, package: ModelPackage, settings: WorkerSettings, head: Head) -> None:
        self.manifest = package.manifest
        self.name = package.manifest.name
        self.max_batch_length = token_budget(package.manifest, settings)
        self.max_padding = package.manifest.batching.max_padding
        self.max_shared_length = self.max_batch_length
        self.pair_cost = 0.0
        self.session = open_graphs(package, device=settings.device, threads=settings.threads)[GRAPH]
        self._outputs = encoder_outputs(self.manifest)
        self._head = head
        self._max_call_bytes = call_budget_bytes(settings)
        self.session.measure_text_encoder(self.manifest.limits.max_tokens)
        max_tokens = fitting_tokens(self.manifest, self.session.memory, settings)
        self.tokenizer = Tokenizer(package.file(TOKENIZER), max_tokens)

    def fits(self, num_rows: int, longest: int) -> bool:
        """Return whether a call with so many rows, padded to the longest, stays within the memory for calls."""
        return self.session.memory.num_bytes(num_rows, longest) <= self._max_call_bytes

    def run(self, rows: Sequence[TokenRow]) -> list[Array]:
        """Run one model call; return the array of each row that the head reads from its outputs."""
        longest = max(row.length for row in rows)
        # The mask hides padding, so its token id does not matter.
        token_ids, mask, type_ids = (np.zeros((len(rows), longest), np.int64) for _ in range(3))
        for index, row in enumerate(rows):
            token_ids[index, : row.length] = row.token_ids
            type_ids[index, : row.length] = row.type_ids
            mask[index, : row.length] = 1
        # Not every graph has all inputs: RoBERTa and DistilBERT have no token types.
        named = {"input_ids": token_ids, "attention_mask": mask, "token_type_ids": type_ids}
        feeds = {name: named[name] for name in self.session.inputs}
        is_large = self.session.is_large(len(rows), longest)
        answers = self._head.read(self.session.run(self._outputs, feeds, give_back=is_large), mask)
        if not _is_finite(answers):  # JSON can't represent NaN and infinity
            raise RuntimeError("the model returned NaN or infinity")
        return list(answers)

    def warm_up(self) -> None:
        """Run a short text and a long one, so that a broken package fails before it is served.

        The long one has the maximum length, or ``PROBE_TOKENS`` if that is less: a longer call may take gigabytes.

        Raises:
            PackageError: the graph fails, or its output does not have the shape that the manifest declares.
        """
        (short,) = self.tokenizer.rows(["warm up"], "right")
        for row in (short, self._long_row(PROBE_TOKENS)):
            try:
                (answer,) = self.run([row])
            except Exception as error:
                raise PackageError(f"{self.name}: the graph can't run {row.length} tokens: {error}") from error
            expected = [row.length if size is None else size for size in self._head.row_shape]
            if list(answer.shape) != expected:
                raise PackageError(
                    f"{self.name}: the graph returns rows of shape {list(answer.shape)}, the manifest says {expected}"
                )

    def measure(self) -> ModelProfile:
        """Return what the model costs, measured in full batches. Call it after ``warm_up``."""
        long = self._long_row(LONGEST_TOKENS)
        times = measure_rows(self, long.cut, long.length)
        self.pair_cost = times.token_pair_s / times.token_in_s if times.token_in_s else 0.0
        self.max_shared_length = shared_length(times, self.max_batch_length)
        return ModelProfile(
            row_s=times.row_s,
            token_in_s=times.token_in_s,
            token_pair_s=times.token_pair_s,
            max_tokens=self.tokenizer.max_tokens,
            special_tokens=self.tokenizer.num_special,
        )

    def _long_row(self, most: int) -> TokenRow:
        # Each word has at least one token, so there are enough. Not of the maximum, which a graph without positions may
        # state as a number of any size.
        (row,) = self.tokenizer.rows(["warm up " * min(self.tokenizer.max_tokens, most)], "right")
        return row.cut(most)

    def card(self) -> ModelCard:
        """Return the card that is announced to the gateway and its clients."""
        return card_of(self.manifest, max_tokens=self.tokenizer.max_tokens, **self._head.card)


def _is_finite(answers: RowArrays) -> bool:
    if isinstance(answers, np.ndarray):
        return bool(np.isfinite(answers).all())
    return all(np.isfinite(answer).all() for answer in answers)
