"""One package in a folder, the models of a worker that serves it, and a watcher that scans for new versions."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from contracts.jobs import Answer
from contracts.model_package.package import ModelPackage
from contracts.settings import StoreSettings
from tests.support.attempts import make_attempt
from tests.support.tasks import answer
from tests.support.tiny_package import WORDS, replace_package, token_vectors, vectors_graph, write_package
from workers.encoder.tasks import ENCODER
from workers.runtime.batching.engine import BatchingEngine
from workers.runtime.models.loading import Loader
from workers.runtime.models.reload import Watcher
from workers.runtime.models.served import ServedModel
from workers.runtime.models.versions import Models
from workers.runtime.settings import WorkerSettings

NAME = "tiny"
Load = Callable[[ModelPackage, WorkerSettings, BatchingEngine], ServedModel]


class ServedPackage:
    """A served package whose weights depend on its revision. Tests may replace ``load`` by a function that fails."""

    def __init__(self, parent: Path, *, models: tuple[str, ...] = (), period_s: float = 0.01) -> None:
        self.parent = parent
        self.folder = parent / NAME
        write_package(self.folder, graph=vectors_graph(1), normalize=False, revision="1")
        self.load: Load = ENCODER.load
        settings = WorkerSettings(StoreSettings(), models_dir=(parent,), models=models)
        loader = Loader(replace(ENCODER, load=self._load), settings, BatchingEngine())
        self.num_loads = self.num_swaps = 0
        self.models: Models = loader.load_all()
        self.num_loads = 0
        self.watcher = Watcher(self.models, loader, period_s=period_s, on_swap=self._swapped)

    def _load(self, package: ModelPackage, settings: WorkerSettings, engine: BatchingEngine) -> ServedModel:
        self.num_loads += 1
        return self.load(package, settings, engine)

    def _swapped(self) -> None:
        self.num_swaps += 1

    @property
    def served(self) -> ServedModel:
        """The version that new jobs run on."""
        model = self.models.get(NAME)
        assert model is not None
        return model

    @property
    def revision(self) -> str:
        """The revision of the version that new jobs run on."""
        return self.served.card.revision

    def put(self, revision: str, **changes: Any) -> None:
        """Replace the package by another version, as an export does."""
        changes.setdefault("graph", vectors_graph(int(revision)))
        replace_package(self.folder, revision=revision, normalize=False, **changes)

    def scan(self, number: int) -> None:
        """Let the watcher scan a number of times."""
        for _ in range(number):
            self.watcher.scan()


def run_job(model: ServedModel, text: str = "w1") -> Answer:
    """Run one job on a model."""
    attempt = make_attempt(json.dumps({"inputs": text}).encode(), model=NAME)
    return answer(model, attempt)


def assert_answers_as(answer: Answer, revision: str) -> None:
    """Assert that an answer to ``w1`` was computed with the weights of a version, and names it."""
    assert answer.model_revision == revision
    vectors = token_vectors(8, int(revision))[[WORDS.index(word) for word in ("[CLS]", "w1", "[SEP]")]]
    np.testing.assert_allclose(json.loads(answer.output), vectors.mean(axis=0), atol=1e-6)
