"""optimum's graph of a decoder, which returns a longer cache at each call, and a plain runner of such graphs.

Inputs are ``input_ids`` int64 [rows, tokens], ``attention_mask`` int64 [rows, past + tokens], for most architectures
``position_ids`` int64 [rows, tokens], and per layer ``past_key_values.{i}.key`` and ``.value`` [rows, heads, past,
size]. Outputs are ``logits`` [rows, tokens, vocabulary] and ``present.{i}.key`` and ``.value``. Rows with pasts of
different length share a batch by padding on the left, so that every cache ends at the same column.
"""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from contracts.model_package.package import ModelPackage
from onnx_models.decoders.runner import Floats
from onnx_models.exporting.optimum_exporter import run_optimum
from onnx_models.exporting.sources import Source
from onnx_models.verification.session import DTYPES, open_session, present_of

Cache = dict[str, Floats]
"""One row's keys and values by the names of the inputs: [1, heads, past, size]."""


def export_concat(source: Source, folder: Path, *, opset: int | None = None) -> None:
    """Write ``model.onnx`` (and ``model.onnx_data`` above 2 GB) of a source into ``folder``.

    Raises:
        ExportError: optimum can't export this architecture.
    """
    with tempfile.TemporaryDirectory(prefix="graph-", dir=folder.parent) as scratch:
        # Without the suffix -with-past, the graph would have no cache. Only the graph is kept: optimum also writes
        # configs and tokenizer files, which workers do not read.
        run_optimum(source, "text-generation-with-past", Path(scratch), opset=opset)
        for path in sorted(Path(scratch).glob("model.onnx*")):
            shutil.move(path, folder / path.name)


class _Row(NamedTuple):
    cache: Cache
    ids: Sequence[int]


class ConcatModel:
    """A `Runner` over such a graph, on CPU."""

    def __init__(self, package: ModelPackage, num_slots: int = 8) -> None:
        self.num_slots = num_slots
        self._session = open_session(package)
        inputs = {tensor.name: tensor for tensor in self._session.get_inputs()}
        self._takes_positions = "position_ids" in inputs
        # Numbers and sizes of heads are read from the graph: the configs of several architectures do not state them
        # (Qwen3 and Gemma have a head_dim that is not width / heads, Phi-3 has fewer heads of keys).
        self._empty: Cache = {
            name: np.zeros((1, tensor.shape[1], 0, tensor.shape[3]), DTYPES[tensor.type])
            for name, tensor in inputs.items()
            if name.startswith("past_key_values.")
        }
        self._outputs = ["logits", *map(present_of, self._empty)]
        self._caches: dict[int, Cache] = {}

    def prefill(self, slot: int, ids: Sequence[int]) -> Floats:
        """Append a prompt, or a further chunk of it, to one slot."""
        return self._advance({slot: ids})[slot]

    def step(self, tokens: Mapping[int, int]) -> dict[int, Floats]:
        """Append one token to each of the given slots, in one batch."""
        return self._advance({slot: [token] for slot, token in tokens.items()})

    def free(self, slot: int) -> None:
        """Drop the cache of a slot."""
        self._caches.pop(slot, None)

    def logits(self, texts: Sequence[Sequence[int]]) -> list[Floats]:
        """Run texts as one batch, padded on the left; return the logits of each, float32 [tokens, vocabulary]."""
        outputs = self._run([_Row(self._empty, text) for text in texts])
        return [logits for logits, _ in outputs]

    def _advance(self, tokens: Mapping[int, Sequence[int]]) -> dict[int, Floats]:
        rows = [_Row(self._caches.get(slot, self._empty), ids) for slot, ids in tokens.items()]
        last: dict[int, Floats] = {}
        for slot, (logits, cache) in zip(tokens, self._run(rows), strict=True):
            self._caches[slot], last[slot] = cache, logits[-1]
        return last

    def _run(self, rows: Sequence[_Row]) -> list[tuple[Floats, Cache]]:
        """Run rows as one batch: equally many tokens over pasts of any length, or any number of tokens over none.

        In any other batch padding would lie inside a row, and a sliding window would count it.
        """
        new = max(len(row.ids) for row in rows)
        pasts = [next(iter(row.cache.values())).shape[2] for row in rows]
        past = max(pasts)
        ids, mask = np.zeros((len(rows), new), np.int64), np.zeros((len(rows), past + new), np.int64)
        for index, row in enumerate(rows):
            ids[index, new - len(row.ids) :] = row.ids
            mask[index, past + new - len(row.ids) - pasts[index] :] = 1
        feed = {"input_ids": ids, "attention_mask": mask, **self._merged([row.cache for row in rows], past)}
        if self._takes_positions:
            # As transformers counts them. Padding would get -1, which a table of learned positions refuses.
            feed["position_ids"] = np.maximum(mask.cumsum(axis=1) - 1, 0)[:, past:]
        logits, *present = self._session.run(self._outputs, feed)
        return [
            (
                logits[index, new - len(row.ids) :].astype(np.float32),
                {
                    name: np.ascontiguousarray(array[index : index + 1, :, mask[index] == 1])
                    for name, array in zip(self._empty, present, strict=True)
                },
            )
            for index, row in enumerate(rows)
        ]

    def _merged(self, caches: Sequence[Cache], past: int) -> Cache:
        """Return the caches as one batch, [rows, heads, past, size], each padded on the left with zeros."""

        def padded(array: Floats) -> Floats:
            return np.pad(array, ((0, 0), (0, 0), (past - array.shape[2], 0), (0, 0)))

        return {name: np.concatenate([padded(cache[name]) for cache in caches]) for name in self._empty}
