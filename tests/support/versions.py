"""Copies of a real package: new versions, which differ only in their revision, and invalid ones."""

import re
import shutil
import tempfile
from hashlib import sha256
from pathlib import Path

from tests.support.paths import STARTERS


def put_version(source: Path, folder: Path, revision: str) -> None:
    """Replace ``folder`` by a copy of a package with another revision as an export does, which renames folders."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".replace-", dir=folder.parent) as scratch:
        new = Path(scratch) / "new"
        shutil.copytree(source, new)
        manifest = new / "manifest.toml"
        text = re.sub(
            r'^revision = ".*"$', f'revision = "{revision}"', manifest.read_text(), count=1, flags=re.MULTILINE
        )
        manifest.write_text(text)
        if folder.exists():
            folder.rename(Path(scratch) / "old")
        new.rename(folder)


def altered(model: str, folder: Path, old: str = "", new: str = "", /, **files: bytes) -> Path:
    """Write a copy of a starter into ``folder``, with other contents of some files and one change of its manifest."""
    package = folder / model
    shutil.copytree(STARTERS / model, package)
    manifest = package / "manifest.toml"
    text = manifest.read_text()
    assert re.search(old, text), f"no {old} in the manifest"
    text = re.sub(old, new, text, count=1) if old else text
    for stem, content in files.items():
        (file,) = package.glob(f"{stem}.*")
        text = text.replace(sha256(file.read_bytes()).hexdigest(), sha256(content).hexdigest())
        file.write_bytes(content)
    manifest.write_text(text)
    return folder
