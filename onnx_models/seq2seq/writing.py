"""Write answers with a served encoder-decoder: rows that start at different times and share each call of the graph."""

from collections.abc import Sequence

import numpy as np

from onnx_models.seq2seq.served import Floats, Row, ServedEncoderDecoder


def write(
    served: ServedEncoderDecoder,
    hidden: Sequence[Floats],
    prefix: Sequence[int],
    num_tokens: int,
    *,
    steps_apart: int = 0,
    forced: Sequence[Sequence[int]] | None = None,
) -> tuple[list[list[int]], list[Floats]]:
    """Write the same number of tokens for each source, always the best one but padding, past any end of text.

    Args:
        served: the model.
        hidden: what its encoder answered to each source.
        prefix: the tokens that every answer starts with.
        num_tokens: how many to write behind them.
        steps_apart: steps between one row's start and the next one's; every row leaves when it is done.
        forced: for each row the tokens to take instead of the best ones.

    Returns:
        For each source the tokens, and the logits that they were chosen by, float32 [num_tokens, vocabulary].
    """
    tokens: list[list[int]] = [[] for _ in hidden]
    logits: list[list[Floats]] = [[] for _ in hidden]
    rows: dict[int, Row] = {}

    def take(indices: list[int], answers: list[Floats], after: list[Row]) -> None:
        for index, answer, row in zip(indices, answers, after, strict=True):
            logits[index].append(answer[-1])
            tokens[index].append(forced[index][len(tokens[index])] if forced else _best(served, answer[-1]))
            rows[index] = row

    step, num_started = 0, 0
    while num_started < len(hidden) or any(len(written) < num_tokens for written in tokens):
        active = [index for index in rows if len(tokens[index]) < num_tokens]
        if active:
            take(active, *served.read([rows[index] for index in active], [tokens[index][-1:] for index in active]))
        due = [index for index in range(num_started, len(hidden)) if index * steps_apart <= step]
        if due:
            take(due, *served.start([hidden[index] for index in due], prefix))
        step, num_started = step + 1, num_started + len(due)
    return tokens, [np.stack(row) for row in logits]


def _best(served: ServedEncoderDecoder, logits: Floats) -> int:
    """Return the best token. No model is trained to write padding; M2M100 knows no position for it."""
    allowed = np.arange(len(logits)) != served.padding
    return int(np.where(allowed, logits, -np.inf).argmax())
