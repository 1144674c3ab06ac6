"""Texts generated without a model: token by token, by rule."""

import json
from typing import Any

import msgspec

from contracts.cards import ModelCard
from contracts.generation import Details, GeneratedSequence, GenerateOutput, GenerateParameters, TextDelta, Token
from contracts.jobs import Answer, Claim

GENERATOR, CHAT_MODEL, UNSERVED_GENERATOR = "tiny-generator", "tiny-chat", "unserved-generator"
_CARD: dict[str, Any] = {"task": "generate", "family": "decoder", "licence": "MIT", "max_tokens": 64}
GENERATOR_CARDS = [
    ModelCard(name=GENERATOR, revision="w1", description="For tests.", **_CARD),
    ModelCard(name=CHAT_MODEL, revision="w2", description="For tests.", chat=True, **_CARD),
    ModelCard(name=UNSERVED_GENERATOR, revision="w3", description="No worker but the test.", chat=True, **_CARD),
]
WORDS = ["Tö", " be", " 🎭", ",", " or", " nöt", " \u200d", " to", " be", "?\n", '"that"', " is", " it"]
EOS = Token(2, "</s>", -0.25, special=True)


def tokens_of(prompt: str, sequence: int) -> list[tuple[str, Token]]:
    """Return the tokens of a text, each with the text that it releases; of two tokens of a character the second."""
    found = [(f"{sequence}:{prompt[-8:]}", Token(10 + sequence, "start", -1.5))]
    for number, word in enumerate(WORDS):
        if not word.isascii():
            found.append(("", Token(200 + number, "\ufffd", -3.0)))
        found.append((word, Token(100 + number, word if word.isascii() else "\ufffd", -0.5)))
    return [*found, ("", EOS)]


def deltas_of(prompt: str, parameters: GenerateParameters, *, index: int = 0, sequence: int = 0) -> list[TextDelta]:
    """Return all deltas of one text, up to its token limit, a stop text, or its end."""
    limit = parameters.max_new_tokens or 1000
    emitted, text_so_far = [], ""
    for number, (own, token) in enumerate(tokens_of(prompt, sequence)[:limit], 1):
        stop = next((stop for stop in parameters.stops if stop in text_so_far + own), None)
        text = own if stop is None else (text_so_far + own)[: (text_so_far + own).index(stop)][len(text_so_far) :]
        reason: Any = "stop_sequence" if stop else "eos_token" if token.special else None
        reason = reason or ("length" if number == limit else None)
        top = [Token(token.id, token.text, token.logprob), Token(7, "x", -4.0)][: parameters.top_n_tokens]
        emitted.append(
            TextDelta(
                input=index,
                sequence=sequence,
                text=text,
                tokens=[token],
                top_tokens=[top] if parameters.top_n_tokens else [],
                finish_reason=reason,
            )
        )
        text_so_far += text
        if reason:
            break
    return emitted


def sequence_of(deltas: list[TextDelta], parameters: GenerateParameters) -> GeneratedSequence:
    """Return the sequence of these deltas as the record has it."""
    tokens = [token for delta in deltas for token in delta.tokens]
    reason = deltas[-1].finish_reason
    assert reason is not None
    details = Details(
        finish_reason=reason,
        generated_tokens=len(tokens),
        seed=parameters.seed,
        tokens=tokens,
        top_tokens=[top for delta in deltas for top in delta.top_tokens],
    )
    text = "".join(delta.text for delta in deltas)
    return GeneratedSequence(generated_text=text, finish_reason=reason, details=details if parameters.details else None)


def prompt_of(inputs: Any) -> str:
    return inputs if isinstance(inputs, str) else inputs["messages"][-1]["content"]


def generate(claim: Claim) -> tuple[list[list[TextDelta]], Answer]:
    """Return the decode steps of a generate job, each with a delta of all its texts, and its answer."""
    request = json.loads(claim.request)
    parameters = msgspec.convert(request["parameters"], GenerateParameters)
    inputs = request["inputs"] if isinstance(request["inputs"], list) else [request["inputs"]]
    outputs, rows = [], []
    for index, item in enumerate(inputs):
        own = [deltas_of(prompt_of(item), parameters, index=index, sequence=number) for number in range(parameters.n)]
        texts = [sequence_of(deltas, parameters) for deltas in own]
        # The best text is first, but texts that were streamed stay in the order of their numbers.
        best = texts if request.get("stream") else texts[::-1]
        outputs.append(GenerateOutput(**msgspec.structs.asdict(best[0]), sequences=best if parameters.n > 1 else []))
        rows += own
    steps = [[row[step] for row in rows if step < len(row)] for step in range(max(map(len, rows)))]
    return steps, answer_of(outputs if isinstance(request["inputs"], list) else outputs[0], len(rows))


def answer_of(output: Any, num_rows: int = 1) -> Answer:
    usage = {"items": 1, "tokens_in": 5, "tokens_used": 4, "truncated_items": 1, "tokens_out": 7 * num_rows}
    return Answer(
        output=msgspec.json.encode(output),
        usage=json.dumps(usage).encode(),
        timings=b'{"infer_ms":1.5,"first_token_ms":2.5}',
        model_revision="w1",
    )
