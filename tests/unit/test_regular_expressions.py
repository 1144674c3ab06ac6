"""Every regular expression takes time in proportion to its text, whatever the text is."""

import importlib
import inspect
import pkgutil
import re
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import contracts
import services
import workers

PIECES = [
    *"a A0 .,;:!?\"'=<>&%#\\/()[]{}-_~`$@*\n\t\x00", "é", "。", "\u200b", "🎭", "a ", " a", ". ", ".\n", "a.", "a,",
    "a'", "''", '"a', "a=", 'a="', "a;", "<a", "</a", "<a ", " class=", ' class="', " class='a ", " translate=", "&#0",
    "&#00000000", "%4", "\\u", "\\u0000", " - at `$", "Object contains unknown field `", "Der 1", " Am  ", " n'",
    "translation_a_to_", "tt_0", "a\"a'", "\"'", "a-a", "a_a", "1.", "(1", "[ ", "n't", "\r\n", "\u2028",
]  # fmt: skip
"""Repeated, they are what backtracks: runs of one kind, and pairs that begin something and do not end it."""
ENDS = ("", "\x01", " b")
SMALL, LARGE, LONG = 2_000, 8_000, 100_000
MAX_EXCESS = 2.5
"""How much more than in proportion to its length a text may take; a quadratic one takes 4 times as much, and 12."""
UNNOTICED_S = 0.002
WINDOWED = {
    "workers.seq2seq.chunking.sentences": {"_LAST_WORD", "_GERMAN_ORDINAL", "_LIST_MARK"},
}
"""These are searched in a window of 32 characters before a full stop."""


def patterns() -> Iterator[tuple[str, "re.Pattern[Any]"]]:
    """Yield every compiled pattern of the modules that gateway and workers are made of, with its name."""
    for package in (contracts, services, workers):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if module.name.rpartition(".")[2] == "__main__":
                continue
            for name, value in vars(importlib.import_module(module.name)).items():
                found = {f"{name}[{index}]": one for index, one in enumerate(value)} if isinstance(value, tuple) else {}
                for own, one in (found or {name: value}).items():
                    if isinstance(one, re.Pattern) and name not in WINDOWED.get(module.name, ()):
                        yield f"{module.name}.{own}", one


PATTERNS = dict(patterns())


def seconds(call: Callable[[], object], num_calls: int = 1) -> float:
    """Return the processor time of a call, the shortest of several."""
    times = []
    for _ in range(num_calls):
        started = time.process_time()
        call()
        times.append(time.process_time() - started)
    return min(times)


def uses(name: str, pattern: "re.Pattern[Any]", text: str | bytes) -> list[Callable[[], object]]:
    """Return calls of a pattern with a text, as its module calls it."""
    module, _, own = name.rpartition(".")
    source = inspect.getsource(importlib.import_module(module))
    # Of a tuple, any member: _UNITS[level].finditer(text)
    called = rf"\b{own.partition('[')[0]}(?:\[\w+\])?\.(\w+)\("
    methods = set(re.findall(called, source)) or {"finditer"}
    found: list[Callable[[], object]] = [lambda: pattern.match(text)] if "match" in methods else []
    if "fullmatch" in methods:
        found.append(lambda: pattern.fullmatch(text))
    if methods - {"match", "fullmatch"}:
        found.append(lambda: deque(pattern.finditer(text), maxlen=0))
    return found


def texts() -> Iterator[tuple[str, str, str]]:
    for piece in PIECES:
        for end in ENDS:
            yield repr(piece + end), piece, end


def test_patterns_are_found() -> None:
    assert len(PATTERNS) > 25
    assert {f"workers.seq2seq.chunking.splitting._UNITS[{index}]" for index in (0, 1)} <= set(PATTERNS)
    for module, names in WINDOWED.items():
        assert names <= set(vars(importlib.import_module(module)))


@pytest.mark.parametrize("name", PATTERNS)
def test_the_time_grows_with_the_length_of_the_text(name: str) -> None:
    assert_linear(name, PATTERNS[name])


def assert_linear(name: str, pattern: "re.Pattern[Any]") -> None:
    for shown, repeated, end in texts():
        sized = {size: (repeated * size)[:size] + end for size in (SMALL, LARGE, LONG)}
        encoded = {size: text.encode() if isinstance(pattern.pattern, bytes) else text for size, text in sized.items()}
        calls = {size: uses(name, pattern, text) for size, text in encoded.items()}
        # The shorter texts first: a pattern that is not linear would take minutes for the long one.
        for short, long in ((SMALL, LARGE), (LARGE, LONG)):
            for pair in zip(calls[short], calls[long], strict=True):
                assert grows_linearly(*pair, long / short), shown


def grows_linearly(short: Callable[[], object], long: Callable[[], object], ratio: float) -> bool:
    """Return whether a call with a text that is ``ratio`` times as long takes not much more than that much time."""
    # What takes no time at all is no problem, and can't be compared.
    if (long_s := seconds(long)) < UNNOTICED_S or long_s < MAX_EXCESS * ratio * seconds(short):
        return True
    return seconds(long, 3) < MAX_EXCESS * ratio * seconds(short, 3)


@pytest.mark.parametrize("pattern", [r"[^\s]*$", r"[.!?]+\s+|\n+", r"\s*=|a*b"])
def test_a_quadratic_pattern_is_noticed(pattern: str) -> None:
    with pytest.raises(AssertionError):
        assert_linear(f"{__name__}.none", re.compile(pattern))
