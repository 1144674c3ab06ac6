"""Write answers with a served encoder-decoder: rows that start at different times and share each call of the graph."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from onnx_models.seq2seq.served import Floats, Served


@dataclass
class _Answer:
    source: Floats
    forced: Sequence[int] | None
    row: Any = None
    tokens: list[int] = field(default_factory=list)
    logits: list[Floats] = field(default_factory=list)

    def take(self, logits: Floats, row: Any, padding: int | None) -> None:
        """Choose the next token by the last of the logits [tokens, vocabulary]."""
        self.row = row
        self.logits.append(logits[-1])
        self.tokens.append(self.forced[len(self.tokens)] if self.forced else _best(logits[-1], padding))


def write(
    served: Served,
    sources: Sequence[Floats],
    prefix: Sequence[int],
    num_tokens: int,
    *,
    steps_apart: int = 0,
    forced: Sequence[Sequence[int]] | None = None,
) -> tuple[list[list[int]], list[Floats]]:
    """Write the same number of tokens for each source, always the best one but padding, past any end of text.

    Args:
        served: the model.
        sources: what its encoder answered to each source.
        prefix: the tokens that every answer starts with.
        num_tokens: how many to write behind them.
        steps_apart: steps between one row's start and the next one's; every row leaves when it is done.
        forced: for each row the tokens to take instead of the best ones.

    Returns:
        For each source the tokens, and the logits that they were chosen by, float32 [num_tokens, vocabulary].
    """
    answers = [_Answer(each, forced[index] if forced else None) for index, each in enumerate(sources)]
    step = 0
    while any(len(answer.tokens) < num_tokens for answer in answers):
        running = [answer for answer in answers if answer.row is not None]
        if running:
            read = served.read([answer.row for answer in running], [answer.tokens[-1:] for answer in running])
            _take(running, *read, served.padding)
        due = [each for index, each in enumerate(answers) if not each.tokens and index * steps_apart <= step]
        if due:
            _take(due, *served.start([answer.source for answer in due], prefix), served.padding)
        for answer in answers:
            if answer.row is not None and len(answer.tokens) == num_tokens:
                served.leave([answer.row])
                answer.row = None
        step += 1
    return [answer.tokens for answer in answers], [np.stack(answer.logits) for answer in answers]


def _take(answers: Iterable[_Answer], logits: Sequence[Floats], rows: Sequence[Any], padding: int | None) -> None:
    for answer, given, row in zip(answers, logits, rows, strict=True):
        answer.take(given, row, padding)


def _best(logits: Floats, padding: int | None) -> int:
    """Return the best token. No model is trained to write padding; M2M100 knows no position for it."""
    return int(np.where(np.arange(len(logits)) != padding, logits, -np.inf).argmax())
