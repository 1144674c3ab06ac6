"""The ceiling: the worker's own cache, driven in this process by a loop that does nothing else.

All jobs are there from the beginning, prompts are read in one call, decoding is greedy, and the model has the cores to
itself: no queue, no store, no detokenization, no other thread.
"""

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.generation.jobs import Job
from benchmarks.harness.report import BenchError
from contracts.machine import available_cpus
from contracts.model_package.package import load_package
from contracts.settings import StoreSettings
from workers.decoder.model import DecoderModel
from workers.runtime.settings import WorkerSettings


@dataclass
class _Row:
    """A job with a slot of the cache."""

    index: int
    slot: int
    tokens: list[int]
    max_new_tokens: int


@dataclass(frozen=True)
class Steps:
    """One run of rows that start together: the tokens of each row, and the durations of prefill and of every step."""

    tokens: list[list[int]]
    prefill_s: float
    step_s: list[float]


def load_decoder(package: Path) -> DecoderModel:
    """Return the model of a package, loaded as by a worker with default settings, and warmed up."""
    model = DecoderModel(load_package(package), WorkerSettings(StoreSettings(), threads=available_cpus()))
    model.warm_up()
    return model


def generate_all(model: DecoderModel, jobs: Sequence[Job], max_rows: int) -> list[list[int]]:
    """Return the tokens of each job. When a row ends, the next job gets its slot."""
    cache, waiting = model.cache, deque(enumerate(jobs))
    rows: list[_Row] = []
    generated: list[list[int]] = [[] for _ in jobs]
    while waiting or rows:
        while waiting and len(rows) < max_rows:
            index, job = waiting.popleft()
            slot = _allocate_slot(model, job)
            first = int(cache.prefill(slot, job.input_ids).argmax())
            rows.append(_Row(index, slot, [first], job.max_new_tokens))
        logits = cache.step([row.slot for row in rows], [row.tokens[-1] for row in rows])
        for row, token in zip(rows, logits.argmax(axis=1), strict=True):
            row.tokens.append(int(token))
        # Only the length ends a row: the models of this benchmark have no end-of-sequence token.
        for row in [row for row in rows if len(row.tokens) >= row.max_new_tokens]:
            cache.free(row.slot)
            rows.remove(row)
            generated[row.index] = row.tokens
    return generated


def time_steps(model: DecoderModel, jobs: Sequence[Job]) -> Steps:
    """Prefill all prompts, then time the decode steps of all rows together, as many as the first job has tokens."""
    cache = model.cache
    slots = [_allocate_slot(model, job) for job in jobs]
    started = time.perf_counter()
    last = [int(cache.prefill(slot, job.input_ids).argmax()) for slot, job in zip(slots, jobs, strict=True)]
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
    """Return the seconds that it takes to prefill a prompt in one call, and to choose the first token."""
    slot = _allocate_slot(model, job)
    started = time.perf_counter()
    model.cache.prefill(slot, job.input_ids).argmax()
    elapsed_s = time.perf_counter() - started
    model.cache.free(slot)
    return elapsed_s


def _allocate_slot(model: DecoderModel, job: Job) -> int:
    slot = model.cache.allocate(len(job.input_ids) + job.max_new_tokens)
    if slot is None:
        raise BenchError(f"{model.name}: the cache has no room for another text")
    return slot
