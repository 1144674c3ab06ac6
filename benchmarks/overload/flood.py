"""Case 1: one tenant floods two models with single texts; another one sends single requests. And both as one tenant."""

import json
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.harness import prose
from benchmarks.overload.clients.crowd import Answer, Crowd
from benchmarks.overload.clients.load import as_fast_as_possible
from benchmarks.overload.clients.victim import Victim
from benchmarks.overload.deployment import CLASSIFIER, EMBEDDER, Deployment
from benchmarks.overload.effort import Effort
from benchmarks.overload.report import Row, median, refusals

NUM_CLIENTS = 64
BEFORE = 0.1
"""Share of the flood that is sent before the other tenant's first request."""
MOST_LOOKS = 600
"""Jobs of the flood whose model calls are looked at."""


def measure(effort: Effort) -> Iterator[Row]:
    """Yield rows for single requests of another tenant during a flood."""
    with Deployment(("a", "b")) as deployment:
        victim = Victim(deployment, "b")
        victim.measure_idle(effort.num_rounds)
        flood = Flood(deployment, "a", effort, {})
        flood.begin()
        samples = victim.measure_during(flood.go_on)
        yield from victim.rows("flood", samples, flood.call_ms())
        yield flood.row("flood")


def measure_lanes(effort: Effort) -> Iterator[Row]:
    """Yield rows for interactive requests of the tenant whose bulk jobs flood the same models."""
    bulk = {"priority": "bulk"}
    with Deployment(("a",)) as deployment:
        knows_lanes = deployment.knows("a", bulk)
        victim = Victim(deployment, "a")
        victim.measure_idle(effort.num_rounds)
        flood = Flood(deployment, "a", effort, bulk if knows_lanes else {})
        flood.begin()
        case = "lanes" if knows_lanes else "lanes (none here)"
        samples = victim.measure_during(flood.go_on)
        yield from victim.rows(case, samples, flood.call_ms())
        yield flood.row(case)


class Flood:
    """Single texts, as many as there are, as fast as the gateway takes them."""

    def __init__(self, deployment: Deployment, tenant: str, effort: Effort, fields: dict[str, Any]) -> None:
        self._deployment = deployment
        self._tenant = tenant
        self._most_s = effort.most_s
        texts = prose.texts(512)
        documents = [_document(number, texts[number % len(texts)]) for number in range(effort.num_texts)]
        # Encoded beforehand: this process shares the cores with what it measures.
        self._requests = [(deployment.submit(tenant, {**document, **fields}), None) for document in documents]
        self._answers: list[Answer] = []
        self._took_s = 0.0

    def begin(self) -> None:
        """Send the first texts."""
        self._send(0, int(BEFORE * len(self._requests)), float("inf"))

    def go_on(self) -> None:
        """Send the others; return when all are done, or after a while."""
        ends = time.monotonic() + self._most_s
        self._send(int(BEFORE * len(self._requests)), len(self._requests), ends)
        while time.monotonic() < ends and self._deployment.num_active(self._tenant) > 0:
            time.sleep(0.2)

    def call_ms(self) -> float:
        """Return the median time of the flood's longer model calls, those for embeddings."""
        ids = [job_id_of(answer) for answer in self._answers if answer.status == 202]
        return median(self._deployment.call_ms(ids[:: max(1, len(ids) // MOST_LOOKS)], EMBEDDER))

    def row(self, case: str) -> Row:
        """Return what became of the flood."""
        accepted = sum(answer.status == 202 for answer in self._answers)
        refused = refusals((answer.status, answer.body) for answer in self._answers if answer.status != 202)
        longest_s = max((answer.took_s for answer in self._answers), default=0.0)
        return Row(
            case, f"A: {len(self._requests):,} texts by {NUM_CLIENTS} clients",
            f"{accepted:,} accepted in {self._took_s:.0f} s, longest submit {longest_s:.1f} s; refused: {refused}",
        )  # fmt: skip

    def _send(self, first: int, last: int, until: float) -> None:
        began = time.monotonic()
        with Crowd(self._deployment.port) as crowd:
            requests = self._requests[first:last]
            self._answers.extend(as_fast_as_possible(crowd, requests, NUM_CLIENTS, until))
        self._took_s += time.monotonic() - began


def _document(number: int, text: str) -> dict[str, Any]:
    task, model = (("embed", EMBEDDER), ("embed", EMBEDDER), ("classify", CLASSIFIER))[number % 3]
    return {"task": task, "model": model, "inputs": text, "parameters": {"truncate": "right"}}


def job_id_of(answer: Answer) -> str:
    """Return the id of the job that an answer accepts or shows."""
    return str(json.loads(answer.body)["id"])
