"""Find the weights that a package is made from: a local folder, an installed Python package, or the Hugging Face hub.

Only safetensors weights are taken: the other formats are pickles, and loading one runs whatever code it carries.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from onnx_models.errors import ExportError

_HUB_FILES = ["*.safetensors", "*.json", "*.txt", "*.model"]
_NOT_HUB_FILES = ["onnx/*", "openvino/*", "open_clip*"]


@dataclass(frozen=True)
class Source:
    """Weights on this disk, and the three facts about them that go into the manifest."""

    folder: Path
    name: str
    revision: str
    licence: str

    def read_json(self, name: str) -> Any:
        """Return a JSON file of the folder, or an empty dict where it is absent.

        Raises:
            ExportError: it is not JSON, or the name (which may come out of another file) leads out of the folder.
        """
        path = self.folder / name
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise ExportError(f"{path}: leads out of the source's folder")
        if not path.is_file():
            return {}
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ExportError(f"{path}: not JSON: {error}") from error


def open_source(where: str, revision: str | None = None) -> Source:
    """Resolve what the user typed.

    Args:
        where: an existing folder, ``package:NAME/FOLDER`` for a folder inside an installed Python package, or a hub id.
        revision: branch, tag or commit for a hub id; for a folder a label of your own (default: checksum of the
            weights).

    Raises:
        ExportError: nothing there, no safetensors weights, or the hub can't be reached.
    """
    if where.startswith("package:"):
        return _installed(where, revision)
    if Path(where).is_dir():
        return _local(Path(where), Path(where).resolve().name, revision)
    if re.fullmatch(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", where):
        return _hub(where, revision)
    raise ExportError(f"{where}: neither a folder nor a hub id")


def _installed(where: str, revision: str | None) -> Source:
    module, _, inside = where.removeprefix("package:").partition("/")
    spec = find_spec(module) if module.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise ExportError(f"{where}: no Python package {module!r} is installed here")
    folder = Path(spec.submodule_search_locations[0]) / inside
    if not folder.is_dir():
        raise ExportError(f"{where}: the package {module!r} has no folder {inside!r}")
    distributions = metadata.packages_distributions().get(module, [])
    found = revision or (f"{distributions[0]}=={metadata.version(distributions[0])}" if distributions else None)
    return _local(folder, where, found)


def _local(folder: Path, name: str, revision: str | None) -> Source:
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise ExportError(
            f"{folder}: no *.safetensors weights; other formats can run code when loaded, so convert first"
        )
    return Source(folder, name, revision or f"weights-sha256-{_digest(weights)[:16]}", _licence_of(folder))


def _digest(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _licence_of(folder: Path) -> str:
    """Read the licence from the head of a model card, the way the hub writes it."""
    card = folder / "README.md"
    head = card.read_text(encoding="utf-8", errors="replace").split("\n---")[0] if card.is_file() else ""
    found = re.search(r"^license:\s*(\S+)", head, re.MULTILINE) if head.startswith("---") else None
    return found[1] if found else "unknown"


def _hub(repo: str, revision: str | None) -> Source:
    """Download a snapshot, pinned to the commit that the revision names now."""
    from huggingface_hub import HfApi, constants, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled
    from requests import RequestException

    if constants.HF_HUB_OFFLINE:
        return _cached(repo, revision)
    try:
        info = HfApi().model_info(repo, revision=revision)
        if not any(file.rfilename.endswith(".safetensors") for file in info.siblings or []):
            raise ExportError(f"{repo}: no safetensors weights on the hub; other formats can run code when loaded")
        folder = snapshot_download(repo, revision=info.sha, allow_patterns=_HUB_FILES, ignore_patterns=_NOT_HUB_FILES)
    except (
        HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled, RequestException
    ) as error:  # fmt: skip
        raise ExportError(f"{repo}: no such folder here, and the hub did not give it: {error}") from error
    licence = (info.card_data or {}).get("license") or "unknown"
    known = " or ".join(map(str, licence)) if isinstance(licence, list) else str(licence)
    return Source(Path(folder), repo, str(info.sha), known)


def _cached(repo: str, revision: str | None) -> Source:
    """Take what was downloaded before; a folder of the cache is named like its commit."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(repo, revision=revision, local_files_only=True))
    except LocalEntryNotFoundError as error:
        wanted = f"{repo} at {revision}" if revision else repo
        raise ExportError(f"{wanted}: not downloaded before, and HF_HUB_OFFLINE forbids to download it now") from error
    return _local(folder, repo, folder.name)
