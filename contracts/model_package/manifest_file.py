"""Reads ``manifest.toml`` from a folder. Reading takes little time and memory, even for a hostile file."""

import os
import re
import tomllib
from pathlib import Path

from contracts.model_package.document import manifest_from
from contracts.model_package.files import PackageError, open_regular
from contracts.model_package.manifest import MANIFEST, Manifest

MAX_MANIFEST_BYTES = 1 << 20
# Python's TOML parser needs memory with the square of the number of parts of a key (a.a.a…). A manifest of 1 MB that is
# one such key would need more memory than machines have, so long keys are refused before the text is parsed. Possessive
# quantifiers keep this expression itself from backtracking.
_LONG_KEY = re.compile(r"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){64}""")


def read_manifest(folder: Path) -> Manifest:
    """Read and check the manifest of a folder, without looking at the other files.

    Raises:
        PackageError: missing, not TOML, or not what ``manifest_from`` accepts.
    """
    return parse_manifest(folder, read_manifest_bytes(folder))


def read_manifest_bytes(folder: Path) -> bytes:
    """Return the content of a folder's manifest, whether or not it can be served.

    Raises:
        PackageError: the file is missing, not a regular file, or larger than a manifest may be.
    """
    path = folder / MANIFEST
    if not os.path.lexists(path):
        raise PackageError(f"{path}: not found; a model package has a manifest")
    with open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > MAX_MANIFEST_BYTES:
            raise PackageError(f"{path}: larger than {MAX_MANIFEST_BYTES} bytes; that is no manifest")
        # Bounded again, because the file may grow after its size was taken.
        return file.read(MAX_MANIFEST_BYTES + 1)


def parse_manifest(folder: Path, data: bytes) -> Manifest:
    """Return the manifest that the bytes state.

    Raises:
        PackageError: they are not TOML, or not what ``manifest_from`` accepts.
    """
    path = folder / MANIFEST
    try:
        text = data.decode()
        if _LONG_KEY.search(text):
            raise ValueError("a key of more than 64 parts")
        return manifest_from(tomllib.loads(text))
    # tomllib reads nested values by recursion.
    except RecursionError as error:
        raise PackageError(f"{path}: values are nested too deep to be read") from error
    except ValueError as error:
        raise PackageError(f"{path}: {error}") from error
