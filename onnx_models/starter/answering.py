"""Write answers to texts with a package of graph kind ``encoder-decoder-slots``, in the plainest way.

For judging only.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from contracts.model_package.package import ModelPackage
from onnx_models.seq2seq.served import Floats
from onnx_models.seq2seq.served_slots import NUM_PLACES, ServedSlots


@dataclass
class _Answer:
    """An answer in the making."""

    index: int
    row: Any
    tokens: list[int] = field(default_factory=list)


def answer_texts(package: ModelPackage, texts: Sequence[str], *, target: str | None = None) -> list[str | None]:
    """Return what the model writes for each text, always by its likeliest token.

    Args:
        package: of a model that is told the target language, if at all, by a token before the text.
        texts: of at most as many tokens as the model reads.
        target: code of the language to translate into.

    Returns:
        The answers; None for one that had not come to its end after as many tokens as an answer may have.
    """
    languages = package.manifest.translate
    before = [languages.languages[target]] if languages and target else []
    served = ServedSlots(package)
    written = _write(served, [[*before, *served.tokenizer.encode(text).ids] for text in texts])
    return [None if ids is None else served.tokenizer.decode(ids, skip_special_tokens=True) for ids in written]


def _write(served: ServedSlots, sources: Sequence[list[int]]) -> list[list[int] | None]:
    """Return for each source the tokens before the end token, or None; a row that is done makes place for the next."""
    written: list[list[int] | None] = [None] * len(sources)
    waiting = list(enumerate(sources))[::-1]
    running: list[_Answer] = []
    while waiting or running:
        logits = _read(served, running) + _start(served, running, waiting)
        for answer, values in zip(list(running), logits, strict=True):
            token = int(values[-1].argmax())
            ends = token in _ends(served)
            if ends:
                written[answer.index] = answer.tokens
            else:
                answer.tokens.append(token)
            if ends or len(answer.tokens) + 1 >= served.max_new_tokens:
                served.leave([answer.row])
                running.remove(answer)
    return written


def _read(served: ServedSlots, running: Sequence[_Answer]) -> list[Floats]:
    if not running:
        return []
    return served.read([answer.row for answer in running], [answer.tokens[-1:] for answer in running])[0]


def _start(served: ServedSlots, running: list[_Answer], waiting: list[tuple[int, list[int]]]) -> list[Floats]:
    """Fill the free places from the end of ``waiting``."""
    due = [waiting.pop() for _ in range(min(NUM_PLACES - len(running), len(waiting)))]
    if not due:
        return []
    generation = served.manifest.generation
    start = generation.decoder_start_token_id if generation else None
    logits, rows = served.start(served.encode([ids for _, ids in due]), [start or 0])
    running += [_Answer(index, row) for (index, _), row in zip(due, rows, strict=True)]
    return logits


def _ends(served: ServedSlots) -> Sequence[int]:
    return served.manifest.generation.eos_token_ids if served.manifest.generation else ()
