"""The row of the generate task, whose types are in ``contracts.generation``."""

from contracts.cards import ModelCard
from contracts.errors import InvalidRequest
from contracts.generation import (
    DEFAULT_NEW_TOKENS,
    Conversation,
    GenerateInputs,
    GenerateOutput,
    GenerateParameters,
    TextDelta,
)
from contracts.price.demand import Demand, text_size
from contracts.tasks.spec import TaskSpec
from contracts.tasks.streams import StreamSpec, check_single_text


def _check_model(card: ModelCard, inputs: GenerateInputs, parameters: GenerateParameters) -> None:
    max_new_tokens = parameters.max_new_tokens
    # Only a first check: the length of the prompt is known to the worker, which has a tokenizer.
    if max_new_tokens is not None and max_new_tokens > card.max_tokens:
        message = f"{card.name} has room for {card.max_tokens} tokens, those of the prompt included."
        raise InvalidRequest(message, param="parameters.max_new_tokens")
    if card.chat:
        return
    if isinstance(inputs, Conversation):
        raise _no_template(card, "inputs")
    for index, item in enumerate(inputs if isinstance(inputs, list) else ()):
        if isinstance(item, Conversation):
            raise _no_template(card, f"inputs[{index}]")


def _no_template(card: ModelCard, param: str) -> InvalidRequest:
    return InvalidRequest(
        f"{card.name} has no template for conversations. Send the whole prompt as one text, or name a model that has "
        "`chat` in /v1/models.",
        param=param,
    )


def _demand(inputs: GenerateInputs, parameters: GenerateParameters) -> Demand:
    rows = inputs if isinstance(inputs, list) else [inputs]
    size = text_size(_texts_of(rows))
    return Demand(
        num_rows=len(rows),
        num_chars=size.num_chars,
        num_bytes=size.num_bytes,
        truncates=parameters.truncate != "error",
        num_reads=parameters.num_sequences,
        num_sequences=parameters.num_sequences,
        max_new_tokens=parameters.max_new_tokens or DEFAULT_NEW_TOKENS,
    )


def _texts_of(rows: list[str | Conversation]) -> list[str]:
    texts = [row for row in rows if isinstance(row, str)]
    if len(texts) < len(rows):
        texts += [message.text for row in rows if isinstance(row, Conversation) for message in row.messages]
    return texts


def _check_stream(inputs: GenerateInputs, parameters: GenerateParameters) -> None:
    check_single_text(inputs, parameters.n, "parameters.n")
    if parameters.num_sequences > 1:
        raise InvalidRequest("The best text is known only when all are finished.", param="parameters.best_of")
    (prompt,) = inputs if isinstance(inputs, list) else [inputs]
    if parameters.return_full_text and isinstance(prompt, Conversation):
        raise InvalidRequest(
            "A conversation is not one text that could stand before the answer.", param="parameters.return_full_text"
        )


def _deltas(output: GenerateOutput) -> list[TextDelta]:
    return [
        TextDelta(
            sequence=number,
            text=sequence.text,
            tokens=sequence.details.tokens if sequence.details else [],
            top_tokens=sequence.details.top_tokens if sequence.details else [],
            finish_reason=sequence.finish_reason,
        )
        for number, sequence in enumerate(output.sequences or [output])
    ]


GENERATE = TaskSpec(
    name="generate",
    family="decoder",
    graphs=("decoder-slots", "decoder-concat", "decoder-memory"),
    summary="Continue texts and conversations.",
    inputs=GenerateInputs,
    parameters=GenerateParameters,
    output=GenerateOutput,
    example={"inputs": "Once upon a time", "parameters": {"max_new_tokens": 32}, "stream": True},
    demand=_demand,
    check_model=_check_model,
    accepts_blank=True,
    stream=StreamSpec(items="tokens", check=_check_stream, deltas=_deltas),
)
