"""Runs jobs through the worker's code, from a request's bytes to an answer's bytes, without Redis or Celery."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from contracts.jobs import Answer
from contracts.settings import StoreSettings
from tests.support.attempts import make_attempt
from tests.support.tasks import answer
from workers.encoder.tasks import ENCODER
from workers.runtime.batching.engine import BatchingEngine
from workers.runtime.models.loading import Loader
from workers.runtime.settings import WorkerSettings

NUM_CLIENTS = 16
TIMEOUT_S = 100.0


class Worker:
    """The models of some folders on one engine, as in a worker process."""

    def __init__(self, *folders: Path, models: tuple[str, ...] = ()) -> None:
        settings = WorkerSettings(store=StoreSettings(), models_dir=folders, models=models)
        self.engine = BatchingEngine()
        self.models = Loader(ENCODER, settings, self.engine).load_all()

    def run_job(self, model: str, inputs: Any, **parameters: Any) -> Any:
        """Run one job and return its decoded output."""
        return json.loads(self.answer(model, inputs, **parameters).output)

    def answer(self, model: str, inputs: Any, **parameters: Any) -> Answer:
        """Run one job and return its answer."""
        request = json.dumps({"inputs": inputs, "parameters": parameters}).encode()
        attempt = make_attempt(request, model=model, timeout_s=TIMEOUT_S)
        served = self.models.get(model)
        assert served is not None
        return answer(served, attempt)

    def run_jobs(self, model: str, inputs_of_jobs: list[Any], **parameters: Any) -> list[Any]:
        """Run many jobs at the same time, so that their inputs share batches, and return their decoded outputs."""
        with ThreadPoolExecutor(NUM_CLIENTS) as pool:
            return list(pool.map(lambda inputs: self.run_job(model, inputs, **parameters), inputs_of_jobs))
