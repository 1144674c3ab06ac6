"""An encoder worker whose model calls take 20 ms and no CPU time, one row a call: what remains is the cost of a job.

``python -m benchmarks.encoder.sleeping_worker`` serves the packages of its settings, which must be encoders.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from contracts.logs.settings import setup_logging
from contracts.model_package.package import ModelPackage
from workers.encoder.model import EncoderModel
from workers.encoder.tasks import ENCODER, open_encoder, serve_encoder
from workers.runtime.batching.engine import BatchingEngine
from workers.runtime.inference.session import Array
from workers.runtime.models.served import ServedModel
from workers.runtime.process.worker import run_worker
from workers.runtime.settings import WorkerSettings
from workers.runtime.tokenizing.tokenizer import TokenRow

CALL_S: Final = 0.02


class SleepingModel(EncoderModel):
    """A model that waits and answers with the same vector for every text."""

    def fits(self, num_rows: int, longest: int) -> bool:
        """Return whether a call has one row."""
        return num_rows == 1

    def run(self, rows: Sequence[TokenRow]) -> list[Array]:
        """Wait for the time of a call."""
        time.sleep(CALL_S)
        return [np.ones([size or 1 for size in self._head.row_shape], np.float32) for _ in rows]


def load(package: ModelPackage, settings: WorkerSettings, engine: BatchingEngine) -> ServedModel:
    """Load an encoder whose model calls sleep."""
    return serve_encoder(open_encoder(package, settings, SleepingModel), engine)


if __name__ == "__main__":
    setup_logging("encoder")
    sys.exit(run_worker(WorkerSettings.read(), replace(ENCODER, load=load)))
