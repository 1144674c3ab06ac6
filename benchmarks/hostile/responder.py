"""A worker without a model, which answers every job of a task with the same output: only the gateway's cost remains."""

import threading
from collections.abc import Mapping

import msgspec
import redis

from benchmarks.harness.stack import Stack
from contracts.cards import ModelCard
from contracts.jobs import Answer, Usage, queue_of
from contracts.settings import StoreSettings
from contracts.store.attempt_store import AttemptStore
from contracts.store.attempts.outcomes import succeeded
from contracts.store.redis_client import connect
from contracts.store.registry import Registry

_PAUSE_S = 0.02
_FAMILIES = {"denoise": "seq2seq", "generate": "decoder", "embed": "encoder", "classify": "encoder"}


class Responder:
    """Answers the jobs of one model for each task of ``outputs``, in a thread. Use it in a ``with`` block."""

    def __init__(self, stack: Stack, outputs: Mapping[str, bytes]) -> None:
        self._client = connect(stack.url, timeout_s=30.0, retries=0)
        self._store = AttemptStore(self._client, StoreSettings())
        self._outputs = outputs
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @staticmethod
    def model_of(task: str) -> str:
        """Return the name of the model that answers a task."""
        return f"canned-{task}"

    def __enter__(self) -> "Responder":
        for task in self._outputs:
            card = ModelCard(
                name=self.model_of(task), task=task, family=_FAMILIES[task], revision="1", licence="Apache-2.0",
                description="Answers by rote.", max_tokens=1_000_000, chat=task == "generate",
            )  # fmt: skip
            Registry(self._client).announce(card)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._thread.join()
        self._client.close()

    def _serve(self) -> None:
        usage = msgspec.json.encode(Usage(items=1, tokens_in=1, tokens_used=1, truncated_items=0))
        queues = [queue_of(self.model_of(task)) for task in self._outputs]
        while not self._ended.wait(_PAUSE_S):
            try:
                for claim in self._store.turn("responder", sources=queues).claims:
                    output = self._outputs[claim.task]
                    answer = Answer(output=output, usage=usage, timings=b"{}", model_revision="1")
                    self._store.turn("responder", [succeeded(claim, answer)])  # answers may have megabytes
            except redis.RedisError:
                continue
