"""New versions of a real package, which differ in the revision that their manifest names."""

import re
import shutil
import tempfile
from pathlib import Path

STARTERS = Path(__file__).parents[2] / "onnx_models" / "packages"


def put_version(source: Path, folder: Path, revision: str) -> None:
    """Put a copy of a package at ``folder`` under another revision: whole, by renaming, as an export does."""
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
