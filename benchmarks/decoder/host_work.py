"""Figure 3: what the decoding loop does between two calls of the graph, as a share of the time from call to call.

The worker's own code runs in this process, all but Celery: claimed jobs, their threads, engine, publisher, and a real
store that is told of each token of each row. Only what the graph itself takes is subtracted, so binding and choosing
count as host work, and so does waiting for the interpreter while another thread has it.
"""

import json
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise

from benchmarks.decoder.bare import time_steps
from benchmarks.decoder.jobs import NUM_CLIENTS, Job, make_jobs
from benchmarks.decoder.models import Measured
from benchmarks.decoder.throughput import share_equal
from benchmarks.machine import Bystanders
from benchmarks.report import BenchError, Figure
from benchmarks.stack import Stack
from contracts.job_store import Admission, JobStore
from contracts.jobs import Claim, NewJob, new_job_id
from workers.decoder.generate import generate
from workers.decoder.model import DecoderModel
from workers.runtime.binding import Binding
from workers.runtime.decoding.engine import DecodingEngine
from workers.runtime.decoding.publisher import Publisher
from workers.runtime.decoding.work import DecodingWork
from workers.runtime.harness import Attempt

TARGET_PERCENT = 5.0
PROMPT_TOKENS = 64
TENANT = "benchmark"
WORKER = "benchmark"


@dataclass(frozen=True)
class Call:
    """One call of the graph: when it began, by ``time.perf_counter()``, how long it took, and of how many rows."""

    at: float
    elapsed_s: float
    num_rows: int


@dataclass
class Calls:
    """Calls of the graph in their order. ``num_rows`` is what the next one is of."""

    found: list[Call] = field(default_factory=list)
    num_rows: int = 0

    def full_periods(self) -> list[tuple[float, float]]:
        """Return (seconds from one call to the next, seconds in the first) where both are steps of all rows."""
        return [
            (after.at - call.at, call.elapsed_s)
            for call, after in pairwise(self.found)
            if call.num_rows == after.num_rows == NUM_CLIENTS
        ]


def measure(stack: Stack, model: DecoderModel, measured: Measured, num_tokens: int) -> list[Figure]:
    """Return the figure, measured on a stack whose store is there and whose workers are not."""
    lengths = {"prompt_tokens": (PROMPT_TOKENS, PROMPT_TOKENS), "new_tokens": (num_tokens, num_tokens)}
    jobs = make_jobs(model.tokenizer, NUM_CLIENTS, **lengths)
    bystanders = Bystanders()
    bare = time_steps(model, jobs)
    claims = [_claimed(stack.store, model.name, job) for job in jobs]
    with watched(model) as calls:
        outputs = _write(stack.store, model, claims)
    share_equal(outputs, [model.tokenizer.decode(tokens) for tokens in bare.tokens])
    _check_told(stack.store, claims, outputs)
    periods = calls.full_periods()
    if not periods:
        raise BenchError(f"there was no step of {NUM_CLIENTS} rows")
    whole_s, graph_s = (sum(parts) for parts in zip(*periods, strict=True))
    parts = [
        f"from step to step {1000 * statistics.median(period for period, _ in periods):.2f} ms, of which the graph "
        f"{1000 * statistics.median(graph for _, graph in periods):.2f} ms: medians of {len(periods)}",
        f"a step of the bare loop, binding and choosing included: {1000 * statistics.median(bare.step_s):.2f} ms",
        f"{NUM_CLIENTS} rows, streamed; {bystanders}",
    ]
    title = f"3. {measured.title}: host work between the steps of {NUM_CLIENTS} rows, share of the time of a step"
    share = 100 * (1 - graph_s / whole_s)
    return [Figure(f"{measured.key}-host-work", title, share, "%", "at most", TARGET_PERCENT, parts)]


@contextmanager
def watched(model: DecoderModel) -> Iterator[Calls]:
    """Note each call of a graph in the body. All of them go through ``Binding.run``, which is replaced meanwhile."""
    calls, run, step = Calls(), Binding.run, model.cache.step

    def timed_run(binding: Binding) -> None:
        started = time.perf_counter()
        run(binding)
        calls.found.append(Call(started, time.perf_counter() - started, calls.num_rows))
        calls.num_rows = 0

    def counted_step(places: Sequence[int], token_ids: Sequence[int]) -> object:
        calls.num_rows = len(places)
        return step(places, token_ids)

    Binding.run, model.cache.step = timed_run, counted_step
    try:
        yield calls
    finally:
        Binding.run, model.cache.step = run, step


def _write(store: JobStore, model: DecoderModel, claims: Sequence[Claim]) -> list[str]:
    """Answer the jobs side by side, a thread each, as the worker does; return their texts."""
    engine = DecodingEngine(Publisher(store))
    outputs = [""] * len(claims)

    def answer(index: int, claim: Claim) -> None:
        work = DecodingWork(engine, Attempt(claim, store))
        outputs[index] = json.loads(generate(model, claim.id, claim.request, work).output)["generated_text"]

    threads = [threading.Thread(target=answer, args=numbered) for numbered in enumerate(claims)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outputs


def _claimed(store: JobStore, model: str, job: Job) -> Claim:
    body = {"inputs": job.prompt, "parameters": {"max_new_tokens": job.max_new_tokens}, "stream": True}
    new = NewJob(
        id=new_job_id(),
        tenant=TENANT,
        task="generate",
        model=model,
        request=json.dumps(body).encode(),
        metadata=b"{}",
        num_inputs=1,
        deadline_s=900,
        timeout_s=600,
        ttl_s=600,
    )
    store.submit(new, Admission())
    claim = store.claim(new.id, WORKER)
    if claim is None:
        raise BenchError("a job could not be claimed")
    return claim


def _check_told(store: JobStore, claims: Sequence[Claim], outputs: Sequence[str]) -> None:
    """Raise BenchError unless the store was told the whole text of each job."""
    for claim, output in zip(claims, outputs, strict=True):
        told = [event for event in store.events(claim.id, "0") if event.name == "output"]
        text = "".join(piece.get("text", "") for event in told for piece in json.loads(event.fields["pieces"]))
        if text != output:
            raise BenchError(f"{len(text)} of {len(output)} characters were told")
