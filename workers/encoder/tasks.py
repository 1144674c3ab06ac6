"""The encoder's tasks: job in, job out, over one small module a task. Step 5 on the path of a job."""

from collections.abc import Callable
from pathlib import Path

from contracts.jobs import Answer, Claim
from workers.encoder.classify import classify
from workers.encoder.embed import embed
from workers.encoder.model import EncoderModel
from workers.runtime.engine import Engine
from workers.runtime.harness import Attempt
from workers.runtime.model_package import PackageError, find_packages, load_package
from workers.runtime.settings import WorkerSettings
from workers.runtime.work import Work

TASKS: dict[str, Callable[[EncoderModel, bytes, Work], Answer]] = {"embed": embed, "classify": classify}


class ServedEncoder:
    """An encoder that answers jobs through the engine."""

    def __init__(self, model: EncoderModel, engine: Engine) -> None:
        self.name = model.name
        self.card = model.card
        self._model = model
        self._engine = engine
        self._task = TASKS[model.task]

    def answer(self, claim: Claim, attempt: Attempt) -> Answer:
        """Run one attempt. Raises as ``Work.infer`` and the task's own checks."""
        return self._task(self._model, claim.request, Work(self._engine, attempt))


def load_models(settings: WorkerSettings, engine: Engine) -> dict[str, ServedEncoder]:
    """Load and warm every encoder package that the settings name.

    Raises:
        PackageError: nothing to serve, a named model is missing, or a package is not sound.
    """
    folders = _folders(settings)
    models = {}
    for folder in folders:
        model = EncoderModel(load_package(folder), settings)
        model.warm_up()
        models[model.name] = ServedEncoder(model, engine)
    return models


def _folders(settings: WorkerSettings) -> list[Path]:
    found = {name: path for folder in reversed(settings.models_dir) for name, path in find_packages(folder).items()}
    missing = [name for name in settings.models if name not in found]
    if missing or not found:
        where = ", ".join(map(str, settings.models_dir))
        raise PackageError(f"no model package {', '.join(missing) or 'at all'} in {where}; found: {sorted(found)}")
    return [found[name] for name in settings.models or sorted(found)]
