"""What the decoding loop does between two calls of the graph, measured in this process.

The worker's own code runs, all but Celery: claimed jobs, their threads, engine, publisher, and a real store that is
told of each token of each row. Only what the graph itself takes is subtracted, so binding and choosing count as host
work, and so does waiting for the interpreter while another thread has it.
"""

import json
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import redis

from benchmarks.harness.report import BenchError
from contracts.jobs import Answer, Claim, NewJob, new_job_id
from contracts.settings import StoreSettings
from contracts.store.attempt_store import AttemptStore
from contracts.store.job_reader import JobReader
from contracts.store.job_writer import Admission, JobWriter
from workers.runtime.attempts.attempt import Attempt
from workers.runtime.decoding.caches.cache import Cache
from workers.runtime.decoding.engine import DecodingEngine
from workers.runtime.decoding.publisher import Publisher
from workers.runtime.decoding.work import DecodingWork
from workers.runtime.inference.binding import Binding

TENANT = "benchmark"
WORKER = "benchmark"


@dataclass(frozen=True)
class Call:
    """One call of a graph: when it began, by ``time.perf_counter()``, how long it took, and of how many rows."""

    at: float
    elapsed_s: float
    num_rows: int


@dataclass
class Calls:
    """Calls of graphs in their order. ``num_rows`` is what the next one is of; 0 where it is no step."""

    found: list[Call] = field(default_factory=list)
    num_rows: int = 0

    def split(self, num_rows: int) -> "Split":
        """Return where time went between steps of so many rows that followed each other.

        Raises:
            BenchError: there are none.
        """
        periods = [
            (after.at - call.at, call.elapsed_s)
            for call, after in pairwise(self.found)
            if call.num_rows == after.num_rows == num_rows
        ]
        if not periods:
            raise BenchError(f"there was no step of {num_rows} rows")
        return Split(*map(list, zip(*periods, strict=True)))


@dataclass(frozen=True)
class Split:
    """Where the time from step to step goes, a number a step."""

    whole_s: list[float]
    """From the beginning of one call of the graph to that of the next."""
    graph_s: list[float]
    """In the call."""

    @property
    def host_percent(self) -> float:
        """Share of the time in which the graph does not run."""
        return 100 * (1 - sum(self.graph_s) / sum(self.whole_s))

    def __str__(self) -> str:
        return (
            f"from step to step {1000 * statistics.median(self.whole_s):.2f} ms, of which the graph "
            f"{1000 * statistics.median(self.graph_s):.2f} ms: medians of {len(self.whole_s)}"
        )


@dataclass(frozen=True)
class Task:
    """A task of a model that is loaded in this process."""

    name: str
    model: str
    cache: Cache
    answer: Callable[[str, bytes, DecodingWork], Answer]
    """Of a job's id, its request, and what it works with."""


def write_side_by_side(
    client: "redis.Redis", task: Task, bodies: Sequence[Mapping[str, Any]]
) -> tuple[list[str], Calls]:
    """Answer streamed jobs, a thread each, as the worker does; return their texts, and the calls of graphs.

    Raises:
        BenchError: the store was not told the whole text of each.
    """
    settings = StoreSettings()
    writer, attempts = JobWriter(client, settings), AttemptStore(client, settings)
    claims = [_claimed(writer, attempts, task, body) for body in bodies]
    with _watched(task.cache) as calls:
        texts = _answer_all(attempts, task, claims)
    _check_told(JobReader(client), claims, texts)
    return texts, calls


@contextmanager
def _watched(cache: Any) -> Iterator[Calls]:
    """Note each call of a graph in the body. All of them go through ``Binding.run``, which is replaced meanwhile."""
    calls, run, step = Calls(), Binding.run, cache.step

    def timed_run(binding: Binding) -> None:
        started = time.perf_counter()
        run(binding)
        calls.found.append(Call(started, time.perf_counter() - started, calls.num_rows))
        calls.num_rows = 0

    def counted_step(slots: Sequence[int], token_ids: Sequence[int]) -> object:
        calls.num_rows = len(slots)
        return step(slots, token_ids)

    Binding.run, cache.step = timed_run, counted_step
    try:
        yield calls
    finally:
        Binding.run, cache.step = run, step


def _answer_all(attempts: AttemptStore, task: Task, claims: Sequence[Claim]) -> list[str]:
    engine = DecodingEngine(Publisher(attempts))
    texts = [""] * len(claims)

    def answer(index: int, claim: Claim) -> None:
        work = DecodingWork(engine, Attempt(claim))
        texts[index] = json.loads(task.answer(claim.id, claim.request, work).output)["generated_text"]

    threads = [threading.Thread(target=answer, args=numbered) for numbered in enumerate(claims)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return texts


def _claimed(writer: JobWriter, attempts: AttemptStore, task: Task, body: Mapping[str, Any]) -> Claim:
    new = NewJob(
        id=new_job_id(),
        tenant=TENANT,
        task=task.name,
        model=task.model,
        request=json.dumps({**body, "stream": True}).encode(),
        metadata=b"{}",
        num_inputs=1,
        deadline_s=900,
        timeout_s=600,
        ttl_s=600,
    )
    writer.submit(new, Admission())
    claim = attempts.claim(new.id, WORKER)
    if claim is None:
        raise BenchError("a job could not be claimed")
    return claim


def _check_told(reader: JobReader, claims: Sequence[Claim], texts: Sequence[str]) -> None:
    """Raise BenchError unless the store was told the whole text of each job."""
    for claim, text in zip(claims, texts, strict=True):
        events = [event for event in reader.events(claim.id, "0") if event.name == "output"]
        told = "".join(piece.get("text", "") for event in events for piece in json.loads(event.fields["pieces"]))
        if told != text:
            raise BenchError(f"{len(told)} of {len(text)} characters were told")
