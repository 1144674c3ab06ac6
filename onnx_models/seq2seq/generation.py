"""Generate with a served encoder-decoder: rows that start at different steps and share each call of the graph."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from onnx_models.seq2seq.served import Floats, Served


@dataclass
class _Output:
    source: Floats
    forced: Sequence[int] | None
    row: Any = None
    tokens: list[int] = field(default_factory=list)
    logits: list[Floats] = field(default_factory=list)

    def append(self, logits: Floats, row: Any, padding: int | None) -> None:
        """Choose the next token from the last of the logits [tokens, vocabulary]."""
        self.row = row
        self.logits.append(logits[-1])
        self.tokens.append(self.forced[len(self.tokens)] if self.forced else _best(logits[-1], padding))


def generate(
    served: Served,
    sources: Sequence[Floats],
    prefix: Sequence[int],
    num_tokens: int,
    *,
    steps_apart: int = 0,
    forced: Sequence[Sequence[int]] | None = None,
) -> tuple[list[list[int]], list[Floats]]:
    """Decode the same number of tokens for each source greedily, never padding; end tokens do not stop it.

    Args:
        served: the model.
        sources: the output of its encoder for each source.
        prefix: the first tokens of every output.
        num_tokens: number of tokens to generate behind them.
        steps_apart: number of steps between the starts of two rows; every row leaves the batch when it is complete.
        forced: for each row the tokens to feed instead of the best ones.

    Returns:
        For each source the tokens, and the logits that they were chosen from, float32 [num_tokens, vocabulary].
    """
    outputs = [_Output(each, forced[index] if forced else None) for index, each in enumerate(sources)]
    step = 0
    while any(len(output.tokens) < num_tokens for output in outputs):
        running = [output for output in outputs if output.row is not None]
        if running:
            found = served.append([output.row for output in running], [output.tokens[-1:] for output in running])
            _append(running, *found, served.padding)
        # After the step, so that a new row meets running rows in the next call, as in a scheduler.
        due = [each for index, each in enumerate(outputs) if not each.tokens and index * steps_apart <= step]
        if due:
            _append(due, *served.prefill([output.source for output in due], prefix), served.padding)
        for output in outputs:
            if output.row is not None and len(output.tokens) == num_tokens:
                served.free([output.row])
                output.row = None
        step += 1
    return [output.tokens for output in outputs], [np.stack(output.logits) for output in outputs]


def _append(outputs: Iterable[_Output], logits: Sequence[Floats], rows: Sequence[Any], padding: int | None) -> None:
    for output, given, row in zip(outputs, logits, rows, strict=True):
        output.append(given, row, padding)


def _best(logits: Floats, padding: int | None) -> int:
    # No model is trained to generate padding, and M2M100 has no position for it.
    return int(np.where(np.arange(len(logits)) != padding, logits, -np.inf).argmax())
