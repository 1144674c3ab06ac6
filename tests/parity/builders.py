"""Jobs through the worker's code, from the bytes of a request to the bytes of an answer, without Redis or Celery."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from contracts.jobs import Answer
from contracts.settings import StoreSettings
from tests.support.attempts import make_attempt
from workers.encoder.tasks import ENCODER
from workers.runtime.batching.engine import BatchingEngine
from workers.runtime.models.loading import Loader
from workers.runtime.settings import WorkerSettings

NUM_CLIENTS = 16
TIMEOUT_S = 100.0


class Worker:
    """The models of one folder on one engine, as a worker process has them."""

    def __init__(self, *folders: Path, models: tuple[str, ...] = ()) -> None:
        settings = WorkerSettings(store=StoreSettings(), models_dir=folders, models=models)
        self.engine = BatchingEngine()
        self.models = Loader(ENCODER, settings, self.engine).load_all()

    def ask(self, model: str, inputs: Any, **parameters: Any) -> Any:
        """Return the decoded output of one job."""
        return json.loads(self.answer(model, inputs, **parameters).output)

    def answer(self, model: str, inputs: Any, **parameters: Any) -> Answer:
        """Run one job."""
        request = json.dumps({"inputs": inputs, "parameters": parameters}).encode()
        attempt = make_attempt(request, model=model, timeout_s=TIMEOUT_S)
        served = self.models.get(model)
        assert served is not None
        return served.answer(attempt)

    def ask_all(self, model: str, many: list[Any], **parameters: Any) -> list[Any]:
        """Return the outputs of many jobs that run at the same time, so that their rows share batches."""
        with ThreadPoolExecutor(NUM_CLIENTS) as pool:
            return list(pool.map(lambda inputs: self.ask(model, inputs, **parameters), many))
