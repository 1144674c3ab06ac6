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
    usage = Usage(
        items=len(rows),
        tokens_in=sum(row.tokens_in for row in rows),
        tokens_used=sum(row.length for row in rows),
        truncated_items=sum(row.length < row.tokens_in for row in rows),
    )
    return await work.infer(model, rows), usage
