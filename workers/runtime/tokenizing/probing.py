"""Refuses tokenizers that make a short text cost minutes or gigabytes, before a worker loads them.

A normalizer is a program of a kind: it can replace whatever a regular expression finds by a longer text, many times in
a row. So a tokenizer with such parts is tried on texts of many kinds first, in a process that the kernel can stop.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from contracts.model_package.files import PackageError
from contracts.model_package.manifest import PIECES
from workers.runtime.confinement.start import start_confined

MEMORY_BYTES = 4 << 30
LOAD_CPU_S = 60.0
"""To load the file; vocabularies of 250,000 tokens take about two seconds."""
PROBE_CPU_S = 4.0
"""For all probes; with ordinary tokenizers they take a tenth of a second."""
_TIMEOUT_S = 600.0
"""Wall time. The process is limited by its CPU time, of which it gets little on a busy machine."""
_PROGRAM = Path(__file__).with_name("probe_process.py")
_PROGRAMMABLE = frozenset({"Prepend", "Replace", "Precompiled", "Split"})
_MAX_WORD = 1000
"""WordPiece takes time with the cube of a word's length, up to a limit that the file states; usually 100."""


class _Model(msgspec.Struct, frozen=True):
    max_input_chars_per_word: int = 0


class _File(msgspec.Struct, frozen=True):
    """The parts of ``tokenizer.json`` that say whether there is something to try."""

    normalizer: Any = None
    pre_tokenizer: Any = None
    decoder: Any = None
    model: _Model = _Model()


def check_tokenizer(file: Path) -> None:
    """Try a ``tokenizer.json``, with the ``pieces.json`` beside it, in a process of its own if it could do harm.

    Raises:
        PackageError: it is no tokenizer, or one that needs too much time or memory, or fails; the message says on what.
    """
    if not _is_programmable(file):
        return
    arguments = str(file.absolute()), str(LOAD_CPU_S), str(PROBE_CPU_S)
    process = start_confined(_PROGRAM, *arguments, memory_bytes=MEMORY_BYTES)
    try:
        verdict = process.communicate(timeout=_TIMEOUT_S)[0].decode(errors="replace").strip()
    except subprocess.TimeoutExpired:
        verdict = ""
    finally:
        process.kill()
        process.communicate()
    if verdict != "ok":
        raise PackageError(f"{file}: {verdict or 'this tokenizer takes too much time or memory for a short text'}")


def _is_programmable(file: Path) -> bool:
    if file.with_name(PIECES).exists():
        return True
    try:
        document = msgspec.json.decode(file.read_bytes(), type=_File)
    except (OSError, ValueError, RecursionError):
        return True
    parts = [document.normalizer, document.pre_tokenizer, document.decoder]
    return document.model.max_input_chars_per_word > _MAX_WORD or not _PROGRAMMABLE.isdisjoint(_types(parts))


def _types(nodes: list[Any]) -> Iterator[str]:
    """Yield the types of parts of the file, and of the parts in them. Not by recursion, which a file could exhaust."""
    left = list(nodes)
    while left:
        node = left.pop()
        if isinstance(node, dict):
            yield str(node.get("type"))
            left += node.values()
        elif isinstance(node, list):
            left += node
