"""The models that a worker serves, each of which can be replaced by its next version while jobs run on it.

A job keeps the model that it started with, so replacing a model needs no lock and no pause: jobs that are running end
on the old version, whose memory is freed with the last of them.
"""

import threading
from typing import NamedTuple

from contracts.cards import ModelCard
from workers.runtime.models.served import ServedModel


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
        # A new dict each time, so that readers need no lock.
        with self._lock:
            self._versions = {**self._versions, version.model.card.name: version}

    def get(self, name: str) -> ServedModel | None:
        """Return the version that new jobs of a model run on, or None for a model that is not served."""
        version = self._versions.get(name)
        return version.model if version else None

    def version(self, name: str) -> Version | None:
        """Return the same version with its digest."""
        return self._versions.get(name)

    def names(self) -> list[str]:
        """Return the names of the served models, in the order in which they were loaded."""
        return list(self._versions)

    def cards(self) -> list[ModelCard]:
        """Return the cards of all served models."""
        return [version.model.card for version in self._versions.values()]
