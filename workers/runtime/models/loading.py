"""Which packages a worker serves, and how one is loaded: when the worker starts, and when a new version appears."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

from msgspec import structs

from contracts.model_package.graphs import GraphKind
from contracts.model_package.manifest import Manifest
from contracts.model_package.package import ModelPackage, PackageError, find_packages, load_named_package, read_manifest
from contracts.model_package.versions import manifest_digest
from contracts.store.attempt_store import AttemptStore
from contracts.task_names import Family, TaskName
from workers.runtime.engine.engine import Engine, NoteCall
from workers.runtime.models.served import ServedModel
from workers.runtime.models.versions import Models, Version
from workers.runtime.process.memory import release_memory
from workers.runtime.settings import WorkerSettings

logger = logging.getLogger(__name__)
AnyEngine = TypeVar("AnyEngine", bound=Engine)


class NothingToServe(PackageError):
    """All packages are for workers of other families."""


@dataclass(frozen=True)
class WorkerSpec(Generic[AnyEngine]):
    """What one kind of worker can serve. All models of a process share its one engine."""

    family: Family
    kinds: frozenset[tuple[GraphKind, TaskName]]
    """Combinations of graph and task that it has code for."""
    make_engine: Callable[[AttemptStore, NoteCall], AnyEngine]
    load: Callable[[ModelPackage, WorkerSettings, AnyEngine], ServedModel]
    """Returns the warm model of a checked package, or raises ``PackageError`` if it can't be served."""

    def mismatch(self, manifest: Manifest) -> str | None:
        """Return why this worker can't serve a package, in words, or None if it can."""
        if manifest.family != self.family:
            return f"its family is {manifest.family!r}, and this is the {self.family} worker"
        kind, task = manifest.graph.kind, manifest.task.name
        if (kind, task) not in self.kinds:
            known = ", ".join(sorted({served for _, served in self.kinds}))
            return f"this worker has no code for the task {task!r} with a graph of kind {kind!r}; it serves {known}"
        return None


class Loader(Generic[AnyEngine]):
    """Finds and loads the packages that the settings select and the worker can serve."""

    def __init__(self, spec: WorkerSpec[AnyEngine], settings: WorkerSettings, engine: AnyEngine) -> None:
        self._spec = spec
        self._settings = settings
        self._engine = engine
        self._weights_bytes: dict[str, int] = {}
        """Size of each package that is served, by name."""

    @property
    def settings(self) -> WorkerSettings:
        """The settings, with what the weights of all served packages take."""
        return replace(self._settings, weights_bytes=sum(self._weights_bytes.values()))

    def find(self) -> dict[str, Path]:
        """Return all packages by name. If several have the same name, the first folder of ``models_dir`` wins."""
        # Reversed, because of equal names the last one stays in a dict.
        folders = reversed(self._settings.models_dir)
        return {name: path for folder in folders for name, path in find_packages(folder).items()}

    def load_all(self) -> Models:
        """Load every package that this worker serves.

        All families of workers may share one folder, and one list of names: packages of other families are skipped.

        Raises:
            NothingToServe: there are packages, but none for this worker.
            PackageError: there are no packages; a selected model is missing, or this worker has no code for it; or a
                package is not valid.
            DeviceError: the configured device is not available.
        """
        found, selected = self.find(), self._settings.models
        missing = [name for name in selected if name not in found]
        if missing or not found:
            what = ", ".join(missing) or "at all"
            raise PackageError(f"no model package {what} in {self._where}; found: {sorted(found)}")
        models, skipped = Models(), dict[str, str]()
        levels = {}
        for name in selected or sorted(found):
            manifest = read_manifest(found[name])
            reason = self._spec.mismatch(manifest)
            # A package of this family that the operator has named is not skipped: loading it fails, with the reason.
            if reason and not (selected and manifest.family == self._spec.family):
                skipped[name] = reason
                # Packages of other families are what a shared folder has; one of this family may be a mistake.
                levels[name] = logging.INFO if manifest.family == self._spec.family else logging.DEBUG
            else:
                # Of all packages before one is loaded: each gets only what the weights of all of them leave.
                self._weights_bytes[name] = _size_of(found[name], manifest)
        for name in self._weights_bytes:
            models.put(self.load(found[name]))
        if not models.names():
            reasons = "; ".join(f"{name}: {reason}" for name, reason in skipped.items())
            raise NothingToServe(f"no model package for this worker in {self._where}: {reasons}")
        for name, reason in skipped.items():
            logger.log(levels[name], "package skipped", extra={"package": name, "reason": reason})
        return models

    def is_selected(self, name: str) -> bool:
        """Return whether the settings select packages of this name."""
        return not self._settings.models or name in self._settings.models

    def can_serve(self, folder: Path) -> bool:
        """Return whether a package is one that this worker can serve.

        Raises:
            PackageError: its manifest is not valid.
        """
        return self._spec.mismatch(read_manifest(folder)) is None

    def load(self, folder: Path) -> Version:
        """Check, load and warm up one package.

        Raises:
            PackageError: the package is not valid, not for this worker, or was changed while it was loaded.
            DeviceError: the configured device is not available.
        """
        digest, manifest = manifest_digest(folder), read_manifest(folder)
        mismatch = self._spec.mismatch(manifest)  # before gigabytes are hashed
        if mismatch:
            raise PackageError(f"{folder}: {mismatch}")
        package = load_named_package(folder)
        # Not by the manifests, which differ from themselves where a figure is NaN.
        if package.digest != digest:
            raise PackageError(f"{folder}: the package was changed while it was loaded")
        self._weights_bytes[manifest.name] = _size_of(folder, manifest)
        model = self._spec.load(package, self.settings, self._engine)
        model.profile = structs.replace(model.profile, device=self._settings.device, revision=manifest.version)
        # What was hashed must be what was loaded: files may be written over while ONNX Runtime reads them.
        package.check_unchanged()
        release_memory()  # loading a graph needs more memory than keeping it
        return Version(model, package.digest)

    @property
    def _where(self) -> str:
        return ", ".join(map(str, self._settings.models_dir))


def _size_of(folder: Path, manifest: Manifest) -> int:
    """Return the size of a package's files; a missing one is for the check of the package to report."""
    return sum((folder / name).stat().st_size for name in manifest.files if (folder / name).is_file())
