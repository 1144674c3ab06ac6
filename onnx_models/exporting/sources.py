"""The source of a package's weights: a local folder, an installed Python package, or the Hugging Face hub.

Only safetensors weights are accepted: other formats are pickles, and loading a pickle can run any code.
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

# Neither pickles nor the exports for other runtimes, nor open_clip's second copy of the same weights.
_HUB_FILES = ["*.safetensors", "*.json", "*.txt", "*.model"]
_NOT_HUB_FILES = ["onnx/*", "openvino/*", "open_clip*"]


@dataclass(frozen=True)
class Source:
    """A local folder with weights, and their name, revision and licence for the manifest."""

    folder: Path
    name: str
    revision: str
    licence: str

    def read_json(self, name: str) -> Any:
        """Return a JSON file of the folder, or an empty dict where it is absent.

        Raises:
            ExportError: it is not JSON, or the name, which may come from another file, points outside of the folder.
        """
        path = self.folder / name
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise ExportError(f"{path}: path points outside of the source's folder")
        if not path.is_file():
            return {}
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ExportError(f"{path}: not JSON: {error}") from error


def open_source(where: str, revision: str | None = None) -> Source:
    """Resolve a source as users name it.

    Args:
        where: an existing folder, ``package:NAME/FOLDER`` for a folder inside an installed Python package, or a hub id.
        revision: branch, tag or commit for a hub id; for a folder a label of your own (default: checksum of the
            weights).

    Raises:
        ExportError: the source does not exist, has no safetensors weights, or the hub can't be reached.
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
    # Only a plain name: find_spec imports the parents of a dotted one, which would run their code.
    spec = find_spec(module) if module.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise ExportError(f"{where}: no Python package {module!r} is installed here")
    folder = Path(spec.submodule_search_locations[0]) / inside
    if not folder.is_dir():
        raise ExportError(f"{where}: the package {module!r} has no folder {inside!r}")
    # A distribution, which has the version, may be named differently from its module.
    distributions = metadata.packages_distributions().get(module, [])
    found = revision or (f"{distributions[0]}=={metadata.version(distributions[0])}" if distributions else None)
    return _local(folder, where, found)


def _local(folder: Path, name: str, revision: str | None) -> Source:
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise ExportError(
            f"{folder}: no *.safetensors weights; other formats can run code when loaded, so convert them first"
        )
    return Source(folder, name, revision or f"weights-sha256-{_digest(weights)[:16]}", _licence_of(folder))


def _digest(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _licence_of(folder: Path) -> str:
    """Return the licence from the YAML front matter of a model card."""
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
        # By commit: a branch could move between the two requests.
        folder = snapshot_download(repo, revision=info.sha, allow_patterns=_HUB_FILES, ignore_patterns=_NOT_HUB_FILES)
    except (
        HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled, RequestException
    ) as error:  # fmt: skip
        raise ExportError(f"{repo}: no such local folder, and it can't be downloaded from the hub: {error}") from error
    licence = (info.card_data or {}).get("license") or "unknown"
    known = " or ".join(map(str, licence)) if isinstance(licence, list) else str(licence)
    return Source(Path(folder), repo, str(info.sha), known)


def _cached(repo: str, revision: str | None) -> Source:
    """Return a snapshot from the local cache, where folders are named by their commit."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(repo, revision=revision, local_files_only=True))
    except LocalEntryNotFoundError as error:
        wanted = f"{repo} at {revision}" if revision else repo
        raise ExportError(f"{wanted}: not in the local cache, and HF_HUB_OFFLINE forbids a download") from error
    return _local(folder, repo, folder.name)
