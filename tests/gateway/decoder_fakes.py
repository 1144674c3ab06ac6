"""Texts without a model: what the tests' writers write, token by token, and a worker that a test plays by hand."""

import json
from typing import Any

import msgspec

from contracts.cards import ModelCard
from contracts.errors import TriptychError
from contracts.generation import Details, GeneratedSequence, GenerateOutput, GenerateParameters, TextDelta, Token
from contracts.jobs import Answer, Claim, queue_of
from contracts.seq2seq import TranslateOutput
from contracts.tasks import TASKS
from tests.gateway.seq2seq_fakes import UNSERVED_CORRECTOR, UNSERVED_TRANSLATOR
from tests.support.job_store import JobStore
from tests.support.waiting import wait_until

WRITER, CHATTER, UNSERVED_WRITER = "tiny-writer", "tiny-chatter", "unserved-writer"
WRITER_CARDS = [
    ModelCard(name=WRITER, task="generate", family="decoder", revision="w1", licence="MIT", description="For tests.",
              max_tokens=64),
    ModelCard(name=CHATTER, task="generate", family="decoder", revision="w2", licence="MIT", description="For tests.",
              max_tokens=64, chat=True),
    ModelCard(name=UNSERVED_WRITER, task="generate", family="decoder", revision="w3", licence="MIT",
              description="No worker but the test.", max_tokens=64, chat=True),
]  # fmt: skip
WORDS = ["Tö", " be", " 🎭", ",", " or", " nöt", " \u200d", " to", " be", "?\n", '"that"', " is", " it"]
EOS = Token(2, "</s>", -0.25, special=True)


def tokens_of(prompt: str, sequence: int) -> list[tuple[str, Token]]:
    """Return a text's tokens, each with the text that it lets show: a character of two tokens, by the second."""
    found = [(f"{sequence}:{prompt[-8:]}", Token(10 + sequence, "start", -1.5))]
    for number, word in enumerate(WORDS):
        if not word.isascii():
            found.append(("", Token(200 + number, "\ufffd", -3.0)))
        found.append((word, Token(100 + number, word if word.isascii() else "\ufffd", -0.5)))
    return [*found, ("", EOS)]


def pieces_of(prompt: str, parameters: GenerateParameters, *, index: int = 0, sequence: int = 0) -> list[TextDelta]:
    """Return all that a writer tells of one text: until its limit, a stop text, or its end."""
    limit = parameters.max_new_tokens or 1000
    told, shown = [], ""
    for number, (own, token) in enumerate(tokens_of(prompt, sequence)[:limit], 1):
        stop = next((stop for stop in parameters.stops if stop in shown + own), None)
        text = own if stop is None else (shown + own)[: (shown + own).index(stop)][len(shown) :]
        reason: Any = "stop_sequence" if stop else "eos_token" if token.special else None
        reason = reason or ("length" if number == limit else None)
        top = [Token(token.id, token.text, token.logprob), Token(7, "x", -4.0)][: parameters.top_n_tokens]
        told.append(
            TextDelta(
                input=index,
                sequence=sequence,
                text=text,
                tokens=[token],
                top_tokens=[top] if parameters.top_n_tokens else [],
                finish_reason=reason,
            )
        )
        shown += text
        if reason:
            break
    return told


def sequence_of(pieces: list[TextDelta], parameters: GenerateParameters) -> GeneratedSequence:
    """Return the text that these pieces tell as the record has it."""
    tokens = [token for piece in pieces for token in piece.tokens]
    reason = pieces[-1].finish_reason
    assert reason is not None
    details = Details(
        finish_reason=reason,
        generated_tokens=len(tokens),
        seed=parameters.seed,
        tokens=tokens,
        top_tokens=[top for piece in pieces for top in piece.top_tokens],
    )
    text = "".join(piece.text for piece in pieces)
    return GeneratedSequence(generated_text=text, finish_reason=reason, details=details if parameters.details else None)


def prompt_of(inputs: Any) -> str:
    return inputs if isinstance(inputs, str) else inputs["messages"][-1]["content"]


def write(claim: Claim) -> tuple[list[list[TextDelta]], Answer]:
    """Return the steps of a generate job, in each of which all of its texts grow, and its answer."""
    request = json.loads(claim.request)
    parameters = msgspec.convert(request["parameters"], GenerateParameters)
    inputs = request["inputs"] if isinstance(request["inputs"], list) else [request["inputs"]]
    outputs, rows = [], []
    for index, item in enumerate(inputs):
        own = [pieces_of(prompt_of(item), parameters, index=index, sequence=number) for number in range(parameters.n)]
        texts = [sequence_of(pieces, parameters) for pieces in own]
        # The record has the best first, but those that were told under a number stand by it.
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


class Hand:
    """A worker that a test plays: it takes the next job that nobody serves, and tells what the test wants told."""

    MODELS = (UNSERVED_WRITER, UNSERVED_TRANSLATOR, UNSERVED_CORRECTOR)

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self.claim = self._claimed()
        self._num_calls = 0
        self.request = json.loads(self.claim.request)
        self.parameters: Any = msgspec.convert(self.request["parameters"], TASKS[self.claim.task].parameters)

    def _claimed(self) -> Claim:
        return wait_until(self._next, "no job to take")

    def _next(self) -> Claim | None:
        found = (self._store.claim_next(queue_of(model), "by hand") for model in self.MODELS)
        return next(filter(None, found), None)

    def tell(self, *pieces: TextDelta) -> set[str]:
        """Tell these pieces in one event; return the ids of jobs that must stop."""
        self._num_calls += 1
        return self._store.publish(
            [(self.claim, msgspec.json.encode(pieces))], f"{self.claim.attempt}.{self._num_calls}"
        )

    def text(self, prompt: str = "hi") -> list[TextDelta]:
        """Return all pieces of the text that this job would be answered with; only generated ones have tokens."""
        if self.claim.task == "generate":
            return pieces_of(prompt, self.parameters)
        pieces = [msgspec.structs.replace(piece, tokens=[]) for piece in pieces_of(prompt, GenerateParameters())]
        return [piece for piece in pieces if piece.text or piece.finish_reason]

    def die(self) -> None:
        """Lose the job as a worker does that dies, and take it again."""
        assert self._store.release(self.claim)
        self.claim = self._claimed()

    def succeed(self, pieces: list[TextDelta]) -> None:
        """Finish with the text of these pieces."""
        self.answer(self._output(pieces))

    def answer(self, output: Any) -> None:
        """Finish with an output of the task."""
        assert self._store.succeed(self.claim, answer_of(output))

    def _output(self, pieces: list[TextDelta]) -> Any:
        if self.claim.task == "generate":
            return GenerateOutput(**msgspec.structs.asdict(sequence_of(pieces, self.parameters)))
        text = "".join(piece.text for piece in pieces)
        return TranslateOutput(text=text, finish_reason=pieces[-1].finish_reason or "length")

    def fail(self, error: TriptychError) -> None:
        assert self._store.fail(self.claim, error)
