"""A worker without a model: it claims real jobs from the real store, and answers by the first word of a job.

``fail``: the job fails as too long. ``hold``: it runs until it is cancelled. ``steps``: progress after each input.
Anything else succeeds at once. An input's vector is its number of words, and three fixed numbers. Texts are those of
``tests.gateway.fakes.generation`` and ``tests.gateway.fakes.seq2seq``.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from contracts.cards import ModelCard
from contracts.errors import InputTooLong
from contracts.jobs import NEWCOMER_SUFFIX, Answer, Claim, newcomers_of, queue_of
from contracts.store.redis_client import connect
from contracts.store.registry import Registry
from contracts.tasks import TASKS
from tests.gateway.fakes.generation import CHAT_MODEL, GENERATOR, GENERATOR_CARDS, generate, prompt_of
from tests.gateway.fakes.seq2seq import SEQ2SEQ_CARDS, SEQ2SEQ_MODELS, run_seq2seq
from tests.support.job_store import JobStore
from tests.support.waiting import PATIENCE_S

EMBED, CLASSIFY, UNSERVED = "tiny-embed", "tiny-classify", "unserved-embed"
CARDS = [
    ModelCard(name=EMBED, task="embed", family="encoder", revision="r1", licence="MIT", description="For tests.",
              max_tokens=16, dimensions=4),
    ModelCard(name=CLASSIFY, task="classify", family="encoder", revision="r2", licence="MIT", description="For tests.",
              max_tokens=16, labels=["good", "bad"]),
    ModelCard(name=UNSERVED, task="embed", family="encoder", revision="r3", licence="MIT", description="No worker.",
              max_tokens=16, dimensions=4),
    *GENERATOR_CARDS,
    *SEQ2SEQ_CARDS,
]  # fmt: skip
SERVED = [EMBED, CLASSIFY, GENERATOR, CHAT_MODEL, *SEQ2SEQ_MODELS]


def store_of(url: str, timeout_s: float = 5) -> JobStore:
    """Return a job store over a client of its own."""
    client = connect(url, timeout_s=timeout_s, retries=1, max_connections=8)
    return JobStore(client)


def announce(url: str) -> None:
    """Announce the tests' models."""
    store = store_of(url)
    registry = Registry(store.client)
    registry.announce(*CARDS)
    store.client.close()


def answer(task: str, inputs: Any) -> Any:
    """Return what the worker answers for one input."""
    text = inputs if isinstance(inputs, str) else inputs["text"]
    if task == "embed":
        return [float(len(text.split())), 0.5, -0.25, 0.1]
    return [{"label": "good", "score": 0.75}, {"label": "bad", "score": 0.25}]


class FakeWorker:
    """One thread that serves the tests' models."""

    def __init__(self, url: str) -> None:
        # Its thread ends with the first call that fails, and with it every later test that uses this worker.
        self._store = store_of(url, PATIENCE_S)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="fake-worker")
        self.num_runs = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(PATIENCE_S)
        self._store.client.close()

    def _loop(self) -> None:
        held: list[Claim] = []
        lists = [name for model in SERVED for name in (queue_of(model), newcomers_of(queue_of(model)))]
        while not self._stop.is_set():
            message = self._store.client.brpop(lists, timeout=0.05)
            if message is not None:
                # More than one call may start is claimed by the next message.
                claims = self._store.turn(
                    "fake-worker", sources=[message[0].decode().removesuffix(NEWCOMER_SUFFIX)]
                ).claims
                held += [claim for claim in claims if self._run(claim)]
            gone = self._store.renew_leases([(claim.id, claim.attempt) for claim in held]) if held else set()
            for claim in [claim for claim in held if claim.id in gone]:
                self._store.confirm_cancel(claim)
                held.remove(claim)

    def _run(self, claim: Claim) -> bool:
        """Answer a job; return True if it is held."""
        self.num_runs += 1
        inputs = json.loads(claim.request)["inputs"]
        rows = inputs if isinstance(inputs, list) else [inputs]
        first = rows[0] if isinstance(rows[0], str) else rows[0].get("text") or prompt_of(rows[0])
        word = (first.split() or [""])[0]
        if word == "hold":
            return True
        if word == "fail":
            self._store.fail(claim, InputTooLong("inputs[0] has 99 tokens.", param="inputs[0]"))
            return False
        if TASKS[claim.task].stream:
            self._generate(claim)
            return False
        if word == "steps":
            for done in range(1, len(rows)):
                self._store.progress([(claim, done, len(rows))])
        answers = [answer(claim.task, row) for row in rows]
        usage = {"items": len(rows), "tokens_in": 3 * len(rows), "tokens_used": 2 * len(rows), "truncated_items": 0}
        output = answers if isinstance(inputs, list) else answers[0]
        self._store.succeed(
            claim,
            Answer(
                output=json.dumps(output).encode(),
                usage=json.dumps(usage).encode(),
                timings=b'{"infer_ms":1.5}',
                model_revision="r1",
            ),
        )
        return False

    def _generate(self, claim: Claim) -> None:
        steps, answer = generate(claim) if claim.task == "generate" else run_seq2seq(claim)
        if json.loads(claim.request).get("stream"):
            for number, deltas in enumerate(steps):
                self._store.publish([(claim, msgspec.json.encode(deltas))], f"{claim.attempt}.{number}")
        self._store.succeed(claim, answer)


@contextmanager
def running_worker(url: str) -> Iterator[FakeWorker]:
    """Run the worker for the length of a ``with`` block."""
    worker = FakeWorker(url)
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()
