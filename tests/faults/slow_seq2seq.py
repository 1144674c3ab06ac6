"""A real seq2seq worker with slow decode steps, so that a fault test can catch it in the middle of a text."""

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from contracts.logs.settings import setup_logging
from contracts.model_package.package import ModelPackage
from workers.runtime.decoding.caches.cache import Cache, Floats
from workers.runtime.decoding.engine import DecodingEngine
from workers.runtime.decoding.served import serve
from workers.runtime.models.served import ServedModel
from workers.runtime.process.worker import run_worker
from workers.runtime.settings import WorkerSettings
from workers.seq2seq.model import open_model
from workers.seq2seq.tasks import HANDLERS, SEQ2SEQ

MODEL = "starter-translate"
STEP_S = "FAULT_STEP_S"


class SlowCache:
    """The real cache with a delay before each step."""

    def __init__(self, cache: Cache, step_s: float) -> None:
        self._cache = cache
        self._step_s = step_s

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cache, name)

    def step(self, slots: Sequence[int], token_ids: Sequence[int]) -> Floats:
        """Wait, then decode."""
        time.sleep(self._step_s)
        return self._cache.step(slots, token_ids)


def load(package: ModelPackage, settings: WorkerSettings, engine: DecodingEngine) -> ServedModel:
    """Load a model with a slow cache."""
    model = open_model(package, settings)
    model.warm_up()
    slow: Any = SlowCache(model.cache, float(os.environ[STEP_S]))
    model.cache = slow
    return serve(model, model.card(), HANDLERS[model.task], engine, settings)


if __name__ == "__main__":
    setup_logging("slow-seq2seq")
    sys.exit(run_worker(WorkerSettings.read(), replace(SEQ2SEQ, load=load)))
