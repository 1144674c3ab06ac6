"""The ceiling: a loaded decoder's own cache, driven in this process by a loop that does nothing else.

All jobs are there from the beginning, prompts are read whole, the likeliest token is taken, and nothing but the model
wants the cores: no queue, no store, no text, no other thread.
"""

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.decoder.jobs import Job
from benchmarks.harness.report import BenchError
from contracts.model_package.package import load_package
from contracts.settings import StoreSettings
from workers.decoder.model import DecoderModel
from workers.runtime.process.cpu import available_cpus
from workers.runtime.settings import WorkerSettings


@dataclass
class _Row:
    """A job with a slot of the cache."""

    index: int
    slot: int
    tokens: list[int]
    num_wanted: int


@dataclass(frozen=True)
class Steps:
    """One run of rows that start together: each row's tokens, and how long prompts and steps took."""

    tokens: list[list[int]]
    prefill_s: float
    step_s: list[float]


def load_decoder(package: Path) -> DecoderModel:
    """Return the model of a package as a worker with default settings loads it, and warm."""
    model = DecoderModel(load_package(package), WorkerSettings(StoreSettings(), threads=available_cpus()))
    model.warm_up()
    return model


def write_all(model: DecoderModel, jobs: Sequence[Job], max_rows: int) -> list[list[int]]:
    """Return each job's tokens. Whenever a row ends, the next job takes its place."""
    cache, waiting = model.cache, deque(enumerate(jobs))
    rows: list[_Row] = []
    written: list[list[int]] = [[] for _ in jobs]
    while waiting or rows:
        while waiting and len(rows) < max_rows:
            index, job = waiting.popleft()
            slot = _allocate_slot(model, job)
            first = int(cache.prefill(slot, job.prompt_ids).argmax())
            rows.append(_Row(index, slot, [first], job.max_new_tokens))
        logits = cache.step([row.slot for row in rows], [row.tokens[-1] for row in rows])
        for row, token in zip(rows, logits.argmax(axis=1), strict=True):
            row.tokens.append(int(token))
        for row in [row for row in rows if len(row.tokens) >= row.num_wanted]:
            cache.free(row.slot)
            rows.remove(row)
            written[row.index] = row.tokens
    return written


def time_steps(model: DecoderModel, jobs: Sequence[Job]) -> Steps:
    """Read all prompts, then time the steps of all rows side by side, as many as the first job has tokens."""
    cache = model.cache
    slots = [_allocate_slot(model, job) for job in jobs]
    started = time.perf_counter()
    last = [int(cache.prefill(slot, job.prompt_ids).argmax()) for slot, job in zip(slots, jobs, strict=True)]
    prefill_s = time.perf_counter() - started
    tokens, step_s = [[token] for token in last], []
    for _ in range(jobs[0].max_new_tokens - 1):
        started = time.perf_counter()
        last = cache.step(slots, last).argmax(axis=1).tolist()
        step_s.append(time.perf_counter() - started)
        for row, token in zip(tokens, last, strict=True):
            row.append(token)
    for slot in slots:
        cache.free(slot)
    return Steps(tokens, prefill_s, step_s)


def time_prefill(model: DecoderModel, job: Job) -> float:
    """Return how many seconds it takes to read a prompt whole, and to choose the token after it."""
    slot = _allocate_slot(model, job)
    started = time.perf_counter()
    model.cache.prefill(slot, job.prompt_ids).argmax()
    elapsed_s = time.perf_counter() - started
    model.cache.free(slot)
    return elapsed_s


def _allocate_slot(model: DecoderModel, job: Job) -> int:
    slot = model.cache.allocate(len(job.prompt_ids) + job.max_new_tokens)
    if slot is None:
        raise BenchError(f"{model.name}: the cache has no room for another text")
    return slot
