"""The requests of the run. Each has one right answer, which is asked for before the first fault."""

import math
from dataclasses import dataclass, field
from typing import Any

ENCODER = ("starter-classify", "starter-embed")
DECODER = ("starter-generate",)
SEQ2SEQ = ("starter-translate", "starter-summarize", "starter-denoise")
TEXT_FIELDS = ("generated_text", "translation_text", "summary_text", "corrected_text")
TOLERANCE = 1e-5
"""Of the numbers of encoders: which rows share a model call may change their last bits."""
POISON = "fault:kill"
"""A text whose model call ends its worker. Others make a call slow (`tests.faults.faulty_worker`, `faulty_decoder`)."""


@dataclass(frozen=True)
class Request:
    """What a client asks for, in whatever way."""

    task: str
    inputs: Any
    parameters: dict[str, Any] = field(default_factory=dict)

    @property
    def model(self) -> str:
        """The starter model of the task."""
        return f"starter-{self.task}"

    @property
    def streams(self) -> bool:
        """Whether its text can be streamed: one text of a task that generates texts."""
        return self.model not in ENCODER and not isinstance(self.inputs, list) and "n" not in self.parameters

    def body(self, **more: Any) -> dict[str, Any]:
        """Return the body for the route of the task."""
        return {"model": self.model, "inputs": self.inputs, "parameters": self.parameters, **more}

    def job_body(self, **more: Any) -> dict[str, Any]:
        """Return the body for ``POST /v1/jobs``."""
        return self.body(task=self.task, **more)


def catalogue() -> list[Request]:
    """Return all requests, small and large ones of every task."""
    return [*_encoder_requests(), *_decoder_requests(), *_seq2seq_requests()]


def poison(number: int) -> Request:
    """Return a request whose job ends its worker each time that it runs."""
    return Request("classify", f"{POISON} {number}")


def essence(output: Any) -> Any:
    """Return what an answer says, without details that depend on how it was asked for."""
    if isinstance(output, list) and output and isinstance(output[0], dict | list) and not _is_scores(output):
        return [essence(each) for each in output]
    if isinstance(output, dict):
        texts = [output[name] for name in TEXT_FIELDS if name in output]
        more = [each["generated_text"] for each in output.get("sequences") or []]
        return more or texts
    return output


def same(one: Any, other: Any) -> bool:
    """Return whether two answers are equal; numbers of encoders may differ in their last bits."""
    if isinstance(one, float) or isinstance(other, float):
        return isinstance(one, float | int) and math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def text_of(output: Any) -> str:
    """Return the one text of an answer that is streamed."""
    found: list[str] = essence(output)
    return found[0]


def _is_scores(output: list[Any]) -> bool:
    return isinstance(output[0], dict) and "label" in output[0]


def _encoder_requests() -> list[Request]:
    texts = [
        "How do I reset my password?",
        "Terrible service, I waited two hours and nobody came.",
        "The staff were wonderful and the food was delicious.",
        "The shop is closed on Sundays, and nobody told us before we went there with the children.",
    ]
    many = [f"{texts[number % len(texts)]} It was number {number}." for number in range(60)]
    slow = [f"fault:slow={seconds} {texts[1]}" for seconds in (0.2, 0.5, 2)]
    inputs: list[Any] = [*texts, texts[:3], many, *slow]
    return [Request(task, each) for task in ("embed", "classify") for each in inputs]


def _decoder_requests() -> list[Request]:
    greedy, wild = {"do_sample": False}, {"do_sample": True, "temperature": 2.0}
    question = {"messages": [{"role": "user", "content": "How do I get from the station to the museum?"}]}
    return [
        Request("generate", "The moon", {**greedy, "max_new_tokens": 20}),
        Request("generate", "def add(a, b):", {**greedy, "max_new_tokens": 100}),
        Request("generate", question, {**greedy, "max_new_tokens": 80}),
        *(Request("generate", "The sea is", {**wild, "seed": seed, "max_new_tokens": 120}) for seed in (3, 4)),
        Request("generate", "fault:slow=0.02 The sea", {**greedy, "max_new_tokens": 100}),
        Request("generate", "fault:slow=0.05 The sea", {**wild, "seed": 5, "max_new_tokens": 120}),
        Request("generate", ["A cat", "A dog", "A bird"], {**greedy, "max_new_tokens": 40}),
        Request("generate", "The wind", {**wild, "seed": 7, "n": 4, "max_new_tokens": 150}),
    ]


def _seq2seq_requests() -> list[Request]:
    german, french = ({"src_lang": "en", "tgt_lang": language} for language in ("de", "fr"))
    report = (
        "It rained for most of the match. The teams met in Leeds on Sunday. Anna Ashford scored after 12 minutes. "
        "United lost 1-3 to Rovers. The next match is on Friday in York."
    )
    return [
        Request("translate", "There are eighty-one cats in the garden.", german),
        Request("translate", ["The train leaves at half past seven.", "It costs 12 euros."], french),
        Request("translate", " ".join(f"I have {number} apples." for number in range(2, 32)), french),
        Request("summarize", report),
        Request("denoise", "Teh dog is sleeping in the gardn."),
        Request("denoise", " ".join(["My brohter plays the guitar.", "She likse the sea."] * 8)),
    ]
