"""Versions that were replaced and still have jobs: their memory is released when the last of these jobs has ended."""

import logging
import weakref
from typing import NamedTuple

from workers.runtime.models.served import ServedModel
from workers.runtime.process.memory import release_memory

logger = logging.getLogger(__name__)


class _Retired(NamedTuple):
    name: str
    revision: str
    # Weak, because this list waits for the version to be dropped.
    model: "weakref.ref[ServedModel]"


class RetiredVersions:
    """Old versions of a worker's models. Used by one thread."""

    def __init__(self) -> None:
        self._retired: list[_Retired] = []
        self._has_garbage = False

    @property
    def pending(self) -> bool:
        """Whether there may be memory to release."""
        return self._has_garbage or bool(self._retired)

    def add(self, model: ServedModel) -> None:
        """Note a version that was replaced. It lives on for as long as a job refers to it."""
        self._retired.append(_Retired(model.card.name, model.card.revision, weakref.ref(model)))

    def add_garbage(self) -> None:
        """Note that a version is being loaded: if it is refused, its memory must be released, too."""
        self._has_garbage = True

    def collect(self) -> None:
        """Release the memory of refused versions, and of old ones whose last job has ended."""
        if not self.pending:
            return
        # A failed job leaves a reference cycle through its traceback, which would keep an old model alive.
        release_memory()
        self._has_garbage = False
        for retired in self._retired:
            if retired.model() is None:
                logger.info("old version dropped", extra={"model": retired.name, "revision": retired.revision})
        self._retired = [retired for retired in self._retired if retired.model() is not None]
