"""The models that a worker serves, each of which can be replaced by its next version while jobs run on it.

A job holds the model that it started with. So a new version needs no lock and waits for nobody: jobs that are running
end on the old one, and with the last of them the old one's memory goes.
"""

import threading
from typing import Any, NamedTuple, Protocol

from contracts.cards import ModelCard
from contracts.model_package.manifest import Manifest
from workers.runtime.attempts.harness import Model


class ServedModel(Model, Protocol):
    """A model that a worker process can announce and serve."""

    def card(self) -> ModelCard:
        """Return what the gateway may know of it."""
        ...


def card_of(manifest: Manifest, *, max_tokens: int, **facts: Any) -> ModelCard:
    """Return a package's card. ``facts`` are fields that only some tasks have."""
    return ModelCard(
        name=manifest.name,
        task=manifest.task.name,
        family=manifest.family,
        revision=manifest.version,
        licence=manifest.licence,
        description=manifest.description,
        quality=manifest.quality,
        max_tokens=max_tokens,
        **facts,
    )


class Version(NamedTuple):
    """A loaded model, and the digest of the manifest that it was loaded from."""

    model: ServedModel
    digest: str


class Models:
    """Served models by name. All methods can be called from any thread."""

    def __init__(self) -> None:
        self._versions: dict[str, Version] = {}
        self._lock = threading.Lock()

    def put(self, version: Version) -> None:
        """Serve a model from now on, in place of the version of the same name, if there is one."""
        with self._lock:
            self._versions = {**self._versions, version.model.name: version}

    def get(self, name: str) -> ServedModel | None:
        """Return the version that new jobs of a model run on, or None for a model that is not served."""
        version = self.version(name)
        return version.model if version else None

    def version(self, name: str) -> Version | None:
        """Return the same with its digest."""
        return self._versions.get(name)

    def names(self) -> list[str]:
        """Return the names of the served models, in the order in which they came."""
        return list(self._versions)

    def cards(self) -> list[ModelCard]:
        """Return what the gateway may know of each."""
        return [version.model.card() for version in self._versions.values()]
