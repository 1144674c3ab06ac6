"""Tries a tokenizer on a few thousand characters of many kinds.

Called as `python launcher.py … probe_process.py FILE LOAD_CPU_S PROBE_CPU_S`. `workers.runtime.tokenizing.probing`
starts it in a confined process. It prints one line: ``ok``, or what is wrong with the tokenizer. If that needs too much
time or memory, the line is empty, or the kernel ends the process before that.
"""

import json
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[3]))  # the process was started by its path, and isolated

import msgspec
from tokenizers import Tokenizer

from contracts.model_package.manifest import PIECES
from workers.runtime.tokenizing.sentencepiece import PieceModel, SentencePieces

NUM_CHARACTERS = 4096
MAX_GROWTH = 32
"""Characters that one may become. With NFKC, one Arabic ligature becomes 18."""
_SUSPICIOUS_S, _LONGER, _MAX_RATIO = 0.01, 4, 9.0
"""A probe that takes longer is tried at four times the length. Linear algorithms then take 4 times as long, and
quadratic ones 16 times."""
_ORDINARY = "aA0 \n.é\u0301中▁\ufdfa👍"
_MAX_OWN = 24


class Stage(NamedTuple):
    """A part of tokenization."""

    what: str
    run: Callable[[str], object]


def find_problem(stages: Sequence[Stage], patterns: Sequence[str]) -> str | None:
    """Run every stage on every probe; return what is wrong, in words."""
    tail = _tail(patterns)
    for unit in _units(patterns):
        for stage in stages:
            try:
                if problem := _problem_with(stage, unit, tail):
                    return f"{problem}, on a text of repeated {unit[:16]!r}"
            # Not Exception: the library panics where a regular expression backtracks too often.
            except BaseException as error:
                if isinstance(error, MemoryError):
                    raise
                return f"{stage.what} fails on a text of repeated {unit[:16]!r}: {str(error)[:200]}"
    return None


def _problem_with(stage: Stage, unit: str, tail: str) -> str | None:
    text = _probe(unit, NUM_CHARACTERS, tail)
    duration_s, result = _timed(stage, text)
    if isinstance(result, str) and len(result) > MAX_GROWTH * len(text):
        return f"{stage.what} makes {len(result)} characters of {len(text)}"
    if duration_s > _SUSPICIOUS_S:
        duration_s = max(duration_s, _timed(stage, text)[0])
        longer_s, _ = _timed(stage, _probe(unit, NUM_CHARACTERS * _LONGER, tail))
        if longer_s > _MAX_RATIO * duration_s:
            return f"{stage.what} takes {longer_s / duration_s:.0f} times as long for {_LONGER} times the text"
    return None


def _timed(stage: Stage, text: str) -> tuple[float, object]:
    started = time.process_time()
    result = stage.run(text)
    return time.process_time() - started, result


def _probe(unit: str, length: int, tail: str) -> str:
    return unit * (length // len(unit)) + tail


def _tail(patterns: Sequence[str]) -> str:
    """Return an end that no run continues with, and after it all characters that are looked for.

    An expression that expects one of them right after a run tries again from each place in the run. If the text had no
    such character at all, the library would see at once that nothing can match.
    """
    return "\0" + "".join(dict.fromkeys("".join(patterns)))[:256]


def _units(patterns: Sequence[str]) -> list[str]:
    """Return what texts are made of: ordinary characters, and those that the tokenizer's own patterns mention."""
    literals = [part for pattern in patterns for part in re.split(r"\\[pP]\{\w+\}|\\?[\W\d]", pattern) if len(part) > 1]
    characters = dict.fromkeys("".join(patterns))
    return list(dict.fromkeys([*_ORDINARY, *list(characters)[:_MAX_OWN], *literals[:_MAX_OWN], *patterns[:_MAX_OWN]]))


def patterns_of(node: Any) -> Iterator[str]:
    """Yield the texts and expressions that a part of a ``tokenizer.json`` looks for."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name in {"Regex", "String"} and isinstance(value, str) and value:
                yield value
            yield from patterns_of(value)
    elif isinstance(node, list):
        for value in node:
            yield from patterns_of(value)


def _stages(file: Path, tokenizer: Tokenizer) -> Iterator[Stage]:
    if tokenizer.normalizer is not None:
        yield Stage("the normalizer", tokenizer.normalizer.normalize_str)
    pieces = file.with_name(PIECES)
    if pieces.exists():
        # Of the rest, which is our own code, the package only brings a table of scores.
        yield Stage(PIECES, SentencePieces(msgspec.json.decode(pieces.read_bytes(), type=PieceModel)).normalize)
    else:
        yield Stage("the tokenizer", tokenizer.encode)


def _problem_with_decoder(tokenizer: Tokenizer) -> str | None:
    num_tokens = tokenizer.get_vocab_size()
    ids = [*range(min(num_tokens, 256)), *range(max(0, num_tokens - 256), num_tokens)]
    length = sum(len(tokenizer.id_to_token(number) or "") for number in ids)
    decoded = len(tokenizer.decode(ids, skip_special_tokens=False))
    return f"the decoder makes {decoded} characters of {length}" if decoded > MAX_GROWTH * length else None


def main() -> str:
    """Return the verdict."""
    try:
        return _verdict(Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]))
    except MemoryError:
        return ""
    except Exception as error:  # the library raises nothing more precise
        return f"not a tokenizer: {' '.join(str(error).split())[:500]}"


def _verdict(file: Path, load_cpu_s: float, probe_cpu_s: float) -> str:
    # The timer counts CPU time, so that a busy machine refuses no tokenizer. Its signal, SIGPROF, ends the process.
    signal.setitimer(signal.ITIMER_PROF, load_cpu_s)
    tokenizer = Tokenizer.from_file(str(file))
    document = json.loads(file.read_bytes())
    parts = [document.get(name) for name in ("normalizer", "pre_tokenizer", "decoder")]
    signal.setitimer(signal.ITIMER_PROF, probe_cpu_s)
    problem = find_problem(list(_stages(file, tokenizer)), list(patterns_of(parts))) or _problem_with_decoder(tokenizer)
    return f"this tokenizer can't be served: {problem}" if problem else "ok"


if __name__ == "__main__":
    print(main())  # noqa: T201 (the parent reads it)
