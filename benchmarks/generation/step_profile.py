"""The time that the scheduler spends between two calls of the graph, measured in this process.

The worker's own code runs, except for Celery and the heartbeat: intake, tasks, engine, publisher, and a real store that
receives every token of every sequence. Only the time inside the graph is subtracted, so binding and sampling count as
host work, and so does waiting for the interpreter lock.
"""

import itertools
import json
import statistics
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Protocol

import redis

from benchmarks.harness.report import BenchError
from contracts.cards import ModelCard
from contracts.job_ids import new_job_id
from contracts.jobs import OPEN_TENANT, NewJob, queue_of
from contracts.settings import StoreSettings
from contracts.store.attempt_store import AttemptStore
from contracts.store.job_reader import JobReader
from contracts.store.job_writer import JobWriter
from contracts.store.queues.admission import Admission
from workers.runtime.attempts.intake import Intake
from workers.runtime.attempts.room import JobRoom
from workers.runtime.decoding.engine import DecodingEngine
from workers.runtime.decoding.model import DecodingModel
from workers.runtime.decoding.served import make_engine, serve
from workers.runtime.decoding.work import DecodingWork
from workers.runtime.engine.engine import note_nothing
from workers.runtime.inference.binding import Binding
from workers.runtime.models.served import ServedModel, TaskHandler
from workers.runtime.models.versions import Models, Version
from workers.runtime.price.prices import Prices
from workers.runtime.process.shared_state import SharedState
from workers.runtime.process.worker import MAX_GROUP, NUM_THREADS
from workers.runtime.settings import WorkerSettings

TENANT = OPEN_TENANT
"""It may use all slots; another one leaves one for a newcomer."""
WORKER = "benchmark"
ROOM_BYTES = 1 << 30
POLL_PERIOD_S = 0.05


@dataclass(frozen=True)
class Call:
    """One call of a graph: its start by ``time.perf_counter()``, its duration, and its rows."""

    at: float
    elapsed_s: float
    num_rows: int


@dataclass
class Calls:
    """Calls of graphs in order. ``num_rows`` are the rows of the next one; 0 if it is not a decode step."""

    found: list[Call] = field(default_factory=list)
    num_rows: int = 0
    may_begin: threading.Event = field(default_factory=threading.Event)
    """No graph is called before this is set. On a busy machine, the first jobs would end before the last one begins."""

    def split(self, num_rows: int) -> "Split":
        """Return how the time of consecutive steps of ``num_rows`` rows was spent.

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
    """How the time from step to step is spent, one number for each step."""

    whole_s: list[float]
    """From the start of one call of the graph to the start of the next."""
    graph_s: list[float]
    """Inside the call."""

    @property
    def host_percent(self) -> float:
        """Percentage of the time in which the graph does not run."""
        return 100 * (1 - sum(self.graph_s) / sum(self.whole_s))

    def __str__(self) -> str:
        return (
            f"from step to step {1000 * statistics.median(self.whole_s):.2f} ms, of which the graph "
            f"{1000 * statistics.median(self.graph_s):.2f} ms: medians of {len(self.whole_s)}"
        )


class Model(DecodingModel, Protocol):
    """A model that is loaded in this process."""

    def card(self) -> ModelCard:
        """Return its card."""
        ...


def run_streamed_jobs(
    client: "redis.Redis", model: Model, task: TaskHandler[Any, Any, DecodingWork], bodies: Sequence[Mapping[str, Any]]
) -> tuple[list[str], Calls]:
    """Run streamed jobs concurrently, as a worker does; return their texts and the calls of graphs.

    Raises:
        BenchError: a job fails, or the events in the store do not add up to its text.
    """
    settings = WorkerSettings(StoreSettings())
    attempts = AttemptStore(client, settings.store)
    engine = make_engine(attempts, note_nothing)
    served = serve(model, model.card(), task, engine, settings)
    with _recorded(model.cache) as calls, ThreadPoolExecutor(NUM_THREADS) as pool:
        _begin_together(engine, calls, len(bodies))
        intake = _start_intake(attempts, served, engine, len(bodies), pool)
        job_ids = [_submitted(JobWriter(client), model.card(), body) for body in bodies]
        intake.wake(queue_of(model.name))
        texts = [_text_of(JobReader(client), job_id, calls) for job_id in job_ids]
        intake.drain(0)
    _check_published(JobReader(client), job_ids, texts)
    return texts, calls


@contextmanager
def _recorded(cache: Any) -> Iterator[Calls]:
    """Record each call of a graph in the body. All of them go through ``Binding.run``, which is replaced meanwhile."""
    binding_class: Any = Binding  # replaced on the class, because a cache makes a new binding for each call
    calls, run, step = Calls(), Binding.run, cache.step

    def timed_run(binding: Binding, **options: Any) -> None:
        calls.may_begin.wait()
        started = time.perf_counter()
        run(binding, **options)
        calls.found.append(Call(started, time.perf_counter() - started, calls.num_rows))
        calls.num_rows = 0  # the next call is a prefill unless `step` says otherwise

    def counted_step(slots: Sequence[int], token_ids: Sequence[int]) -> object:
        calls.num_rows = len(slots)
        return step(slots, token_ids)

    binding_class.run, cache.step = timed_run, counted_step
    try:
        yield calls
    finally:
        binding_class.run, cache.step = run, step


def _begin_together(engine: Any, calls: Calls, num_jobs: int) -> None:
    """Let the first graph be called when the requests of all jobs are with the engine."""
    submit, num_submitted = engine.submit, itertools.count(1)

    def counted_submit(*args: Any) -> Any:
        handle = submit(*args)
        if next(num_submitted) == num_jobs:
            calls.may_begin.set()
        return handle

    engine.submit = counted_submit
    engine.num_wanted = lambda: num_jobs


def _start_intake(
    attempts: AttemptStore, served: ServedModel, engine: DecodingEngine, num_jobs: int, pool: Executor
) -> Intake:
    max_jobs = 2 * num_jobs  # some places are for tenants who are not here
    models, shared = Models(), SharedState(max_jobs + MAX_GROUP)
    models.put(Version(served, "digest"))
    room, prices = JobRoom(ROOM_BYTES), Prices(models)
    intake = Intake(attempts, WORKER, models, engine, shared=shared, room=room, prices=prices, max_jobs=max_jobs)
    intake.start(pool, NUM_THREADS)
    return intake


def _submitted(writer: JobWriter, card: ModelCard, body: Mapping[str, Any]) -> str:
    new = NewJob(
        id=new_job_id(TENANT, at=time.time()),
        tenant=TENANT,
        task=card.task,
        model=card.name,
        request=json.dumps({**body, "stream": True}).encode(),
        metadata=b"{}",
        num_inputs=1,
        deadline_s=900,
        timeout_s=600,
        ttl_s=600,
        followed=True,
    )
    return writer.submit(new, Admission()).job_id


def _text_of(reader: JobReader, job_id: str, calls: Calls) -> str:
    """Wait until a job has ended; return its text."""
    while not (job := reader.read(job_id, TENANT)).finished:
        time.sleep(POLL_PERIOD_S)
    calls.may_begin.set()  # if it has failed before its request was with the engine, the others must not wait for it
    if job.output is None:
        raise BenchError(f"job {job_id} has {job.status}: {job.error}")
    return str(json.loads(job.output)["generated_text"])


def _check_published(reader: JobReader, job_ids: Sequence[str], texts: Sequence[str]) -> None:
    """Raise BenchError unless the events in the store add up to the text of each job."""
    for job_id, text in zip(job_ids, texts, strict=True):
        events = [event for event in reader.events(job_id, "0") if event.name == "output"]
        published = "".join(piece.get("text", "") for event in events for piece in json.loads(event.fields["pieces"]))
        if published != text:
            raise BenchError(f"{len(published)} of {len(text)} characters were published")
