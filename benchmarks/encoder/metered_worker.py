"""An encoder worker that measures the CPU time of its model calls: the real worker, with one line around each call.

``python -m benchmarks.encoder.metered_worker`` adds to the file that BENCH_METER names. The benchmark reads it.
"""

import mmap
import os
import struct
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from contracts.logs.settings import setup_logging
from contracts.model_package.package import ModelPackage
from workers.encoder.head import Head
from workers.encoder.model import EncoderModel
from workers.encoder.tasks import ENCODER, open_encoder, serve_encoder
from workers.runtime.batching.engine import BatchingEngine
from workers.runtime.inference.session import Array
from workers.runtime.models.served import ServedModel
from workers.runtime.process.worker import run_worker
from workers.runtime.settings import WorkerSettings
from workers.runtime.tokenizing.tokenizer import TokenRow

METER: Final = "BENCH_METER"
_TOTALS = struct.Struct("=dqq")
_OF_A_THREAD = 6
"""Makes Linux's number of a thread's CPU clock from the thread's id."""


def read_meter(file: Path) -> tuple[float, int, int]:
    """Return the CPU seconds of all model calls so far, how many there were, and how many rows they had."""
    cpu_s, num_calls, num_rows = _TOTALS.unpack(file.read_bytes())
    return cpu_s, num_calls, num_rows


def make_meter(file: Path) -> None:
    """Make a file in which a worker can count."""
    file.write_bytes(bytes(_TOTALS.size))


class MeteredModel(EncoderModel):
    """The model, which counts the CPU time of its calls: of the calling thread and of the session's own threads."""

    def __init__(self, package: ModelPackage, settings: WorkerSettings, head: Head) -> None:
        before = _threads()
        super().__init__(package, settings, head)
        # The session's own threads do nothing between two calls, so all of their time is that of calls.
        self._clocks = [~thread << 3 | _OF_A_THREAD for thread in _threads() - before]
        with Path(os.environ[METER]).open("r+b") as file:
            self._totals = mmap.mmap(file.fileno(), _TOTALS.size)

    def run(self, rows: Sequence[TokenRow]) -> list[Array]:
        """Run one model call."""
        before = self._cpu_s()
        answers = super().run(rows)
        cpu_s, num_calls, num_rows = _TOTALS.unpack(self._totals)
        _TOTALS.pack_into(self._totals, 0, cpu_s + self._cpu_s() - before, num_calls + 1, num_rows + len(rows))
        return answers

    def _cpu_s(self) -> float:
        return time.thread_time() + sum(time.clock_gettime(clock) for clock in self._clocks)


def _threads() -> set[int]:
    return {int(name) for name in os.listdir("/proc/self/task")}


def load(package: ModelPackage, settings: WorkerSettings, engine: BatchingEngine) -> ServedModel:
    """Load an encoder whose model calls are measured."""
    return serve_encoder(open_encoder(package, settings, MeteredModel), engine)


if __name__ == "__main__":
    setup_logging("encoder")
    sys.exit(run_worker(WorkerSettings.read(), replace(ENCODER, load=load)))
