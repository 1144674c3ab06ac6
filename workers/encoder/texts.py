"""What all tasks on text have in common: tokenize, run the model, and count the tokens."""

from collections.abc import Sequence

from contracts.jobs import Usage
from contracts.shapes import TextPair, Truncate
from workers.encoder.model import EncoderModel
from workers.runtime.batching.work import BatchWork
from workers.runtime.inference.session import Array


async def infer_texts(
    model: EncoderModel, work: BatchWork, inputs: Sequence[str | TextPair], truncate: Truncate
) -> tuple[list[Array], Usage]:
    """Return the array that the model answers to each input, and the tokens that it read.

    Raises:
        InputTooLong: an input has more tokens than the model reads, and ``truncate`` is ``error``.
        InvalidRequest: an input has no tokens.
        Exception: as ``BatchWork.infer``.
    """
    rows = model.tokenizer.rows(inputs, truncate, work.check)
    tokens_in = tokens_used = num_truncated = 0
    for row in rows:
        length = row.length
        tokens_in += row.tokens_in
        tokens_used += length
        num_truncated += length < row.tokens_in
    usage = Usage(items=len(rows), tokens_in=tokens_in, tokens_used=tokens_used, truncated_items=num_truncated)
    return await work.infer(model, rows), usage
