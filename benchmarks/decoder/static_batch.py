"""The peer that batches statically: 16 texts start together, padded on the left, and end together with the longest.

A first batching server uses the exporter's own graph like this, and here it is done as well as the idea allows: caches
go from output to input without a copy, in the process of the benchmark, without a queue.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnxruntime import OrtValue

from benchmarks.generation.jobs import Job
from contracts.machine import available_cpus

NUM_ROWS = 16
_GRAPH = "model.onnx"


class StaticBatches:
    """A concat graph that runs each batch of jobs to its end."""

    def __init__(self, package: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = available_cpus()
        # The same options as in a worker's session, so that only the batching differs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.enable_mem_pattern = False
        self._session = onnxruntime.InferenceSession(package / _GRAPH, options, providers=["CPUExecutionProvider"])
        inputs = {node.name: node for node in self._session.get_inputs()}
        self._takes_positions = "position_ids" in inputs
        self._caches = {name: node.shape for name, node in inputs.items() if name.startswith("past_key_values.")}
        self._outputs = ["logits", *(name.replace("past_key_values", "present") for name in self._caches)]

    def run(self, jobs: Sequence[Job]) -> list[list[int]]:
        """Return the tokens of each job."""
        batches = [jobs[start : start + NUM_ROWS] for start in range(0, len(jobs), NUM_ROWS)]
        return [tokens for batch in batches for tokens in self._batch(batch)]

    def _batch(self, jobs: Sequence[Job]) -> Iterator[list[int]]:
        longest = max(len(job.input_ids) for job in jobs)
        ids = np.zeros((len(jobs), longest), np.int64)
        mask = np.zeros((len(jobs), longest), np.int64)
        for row, job in enumerate(jobs):
            ids[row, longest - len(job.input_ids) :] = job.input_ids
            mask[row, longest - len(job.input_ids) :] = 1
        caches = {name: _empty(shape, len(jobs)) for name, shape in self._caches.items()}
        generated = []
        # Rows that are done stay in the batch until the longest is done: that is the cost of a static batch.
        for _ in range(max(job.max_new_tokens for job in jobs)):
            logits, caches = self._call(ids, mask, caches)
            ids = logits[:, -1].argmax(axis=-1)[:, None]
            mask = np.pad(mask, ((0, 0), (0, 1)), constant_values=1)
            generated.append(ids[:, 0])
        for row, job in enumerate(jobs):
            yield [int(step[row]) for step in generated[: job.max_new_tokens]]

    def _call(
        self, ids: np.ndarray, mask: np.ndarray, caches: dict[str, OrtValue]
    ) -> tuple[np.ndarray, dict[str, OrtValue]]:
        feed = {"input_ids": ids, "attention_mask": mask}
        if self._takes_positions:
            # Padding is on the left, so a position counts the real tokens before it.
            feed["position_ids"] = np.maximum(mask.cumsum(axis=1) - 1, 0)[:, -ids.shape[1] :]
        values: dict[str, Any] = {name: OrtValue.ortvalue_from_numpy(array) for name, array in feed.items()}
        logits, *present = self._session.run_with_ort_values(self._outputs, {**values, **caches})
        return logits.numpy(), dict(zip(self._caches, present, strict=True))


def _empty(shape: Sequence[Any], num_rows: int) -> OrtValue:
    return OrtValue.ortvalue_from_numpy(np.zeros((num_rows, shape[1], 0, shape[3]), np.float32))
