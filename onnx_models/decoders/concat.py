"""optimum's graph of a decoder, whose cache is an input and, one token longer, an output; and a plain way to run it.

The graph takes ``input_ids`` int64 [rows, tokens], ``attention_mask`` int64 [rows, past + tokens], mostly
``position_ids`` int64 [rows, tokens], and per layer ``past_key_values.{i}.key`` and ``.value`` [rows, heads, past,
size]. It answers ``logits`` [rows, tokens, vocabulary] and ``present.{i}.key`` and ``.value``. Rows of different age
share a batch by padding on the left, so that every cache ends at the same column.
"""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime

from contracts.model_package.package import ModelPackage
from onnx_models.decoders.runner import Floats
from onnx_models.exporting.optimum_exporter import run_optimum
from onnx_models.exporting.sources import Source

_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
Cache = dict[str, Floats]
"""One row's keys and values by the names of the inputs: [1, heads, past, size]."""


def export_concat(source: Source, folder: Path, *, opset: int | None = None) -> None:
    """Write ``model.onnx`` (and ``model.onnx_data`` above 2 GB) of a source into ``folder``.

    Raises:
        ExportError: optimum can't export this architecture.
    """
    with tempfile.TemporaryDirectory(prefix="graph-", dir=folder.parent) as scratch:
        run_optimum(source, "text-generation-with-past", Path(scratch), opset=opset)
        for path in sorted(Path(scratch).glob("model.onnx*")):
            shutil.move(path, folder / path.name)


class _Row(NamedTuple):
    cache: Cache
    ids: Sequence[int]


class ConcatModel:
    """A `Runner` over such a graph; CPU only."""

    def __init__(self, package: ModelPackage, num_rows: int = 8) -> None:
        self.num_rows = num_rows
        options = onnxruntime.SessionOptions()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        graph = str(package.file("model.onnx"))
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        inputs = {tensor.name: tensor for tensor in self._session.get_inputs()}
        self._takes_positions = "position_ids" in inputs
        # Head counts and sizes are read off the graph: configs of several architectures don't tell them.
        self._empty: Cache = {
            name: np.zeros((1, tensor.shape[1], 0, tensor.shape[3]), _TYPES[tensor.type])
            for name, tensor in inputs.items()
            if name.startswith("past_key_values.")
        }
        self._outputs = ["logits", *(name.replace("past_key_values", "present") for name in self._empty)]
        self._caches: dict[int, Cache] = {}

    def prefill(self, row: int, ids: Sequence[int]) -> Floats:
        """Read a prompt, or more of it. See `Runner`."""
        return self._advance({row: ids})[row]

    def step(self, tokens: Mapping[int, int]) -> dict[int, Floats]:
        """Append one token to each of the named rows, in one batch. See `Runner`."""
        return self._advance({row: [token] for row, token in tokens.items()})

    def leave(self, row: int) -> None:
        """Forget a row. See `Runner`."""
        self._caches.pop(row, None)

    def logits(self, texts: Sequence[Sequence[int]]) -> list[Floats]:
        """Read texts in one batch, padded on the left; return each one's logits, float32 [tokens, vocabulary]."""
        answers = self._run([_Row(self._empty, text) for text in texts])
        return [logits for logits, _ in answers]

    def _advance(self, tokens: Mapping[int, Sequence[int]]) -> dict[int, Floats]:
        rows = [_Row(self._caches.get(row, self._empty), ids) for row, ids in tokens.items()]
        last: dict[int, Floats] = {}
        for row, (logits, cache) in zip(tokens, self._run(rows), strict=True):
            self._caches[row], last[row] = cache, logits[-1]
        return last

    def _run(self, rows: Sequence[_Row]) -> list[tuple[Floats, Cache]]:
        """Run rows as one batch: all as many tokens over any past, or any number of tokens over none.

        Otherwise padding would lie inside a row, and a sliding window would count it.
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
        """Put caches on top of each other, [rows, heads, past, size], each with zeros before it."""

        def padded(array: Floats) -> Floats:
            return np.pad(array, ((0, 0), (0, 0), (past - array.shape[2], 0), (0, 0)))

        return {name: np.concatenate([padded(cache[name]) for cache in caches]) for name in self._empty}
