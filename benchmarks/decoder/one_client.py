"""Figure 2: what one client gets, alone and beside fifteen others."""

import statistics
import time
from collections import deque
from collections.abc import Sequence

from benchmarks.decoder.bare_loop import time_prefill, write_all
from benchmarks.decoder.jobs import Job, make_job, make_jobs
from benchmarks.decoder.models import Measured
from benchmarks.decoder.requests import request_of
from benchmarks.generation.clients import Ask, Script, ask_all, play
from benchmarks.generation.comparison import ratios_of, share_equal
from benchmarks.generation.contest import NUM_CLIENTS
from benchmarks.generation.responses import Answer
from benchmarks.harness.machine import Bystanders
from benchmarks.harness.report import Figure, p95, spread
from workers.decoder.model import DecoderModel

TARGET_RATE = 0.93
TARGET_IDLE_MS = 15.0
TARGET_STEPS = 3.0
PROBE_TOKENS = 4
"""Tokens that a client writes that is there for its first one."""
PROBE_PAUSE_S = 0.37
"""Between two of them beside others; no multiple of a step, so that they come at any time of one."""
BACKGROUND_PROMPT = 32
MAX_TEXTS = 100
"""That each of the others writes, one after another as long as there are asks: each as long as the model allows."""


def measure_alone(port: int, model: DecoderModel, measured: Measured, num_jobs: int) -> list[Figure]:
    """Return the share of the bare loop's tokens a second that one client gets; client and loop take turns."""
    jobs = make_jobs(model.tokenizer, num_jobs)
    bystanders = Bystanders()
    bare, streamed, whole, texts = [], [], [], []
    for job in jobs:
        started = time.perf_counter()
        (tokens,) = write_all(model, [job], 1)
        bare.append(len(tokens) / (time.perf_counter() - started))
        texts.append(model.tokenizer.decode(tokens))
        for rates, is_streamed in ((streamed, True), (whole, False)):
            answer = _ask(port, model.name, job, streamed=is_streamed)
            share_equal([answer.text()], [texts[-1]])
            rates.append(len(tokens) / (answer.ended_at - answer.sent_at))
    ratios, others = ratios_of(streamed, bare), ratios_of(whole, bare)
    parts = [
        f"ratio     {spread(ratios)}; not streamed {statistics.median(others):.2f}",
        f"streamed  {spread(streamed, '.1f')} tokens/s",
        f"bare loop {spread(bare, '.1f')} tokens/s",
        str(bystanders),
    ]
    title = f"2a. {measured.title}: one client alone, streamed, against a bare loop in process"
    return [
        Figure(f"{measured.key}-alone", title, statistics.median(ratios), "", "at least", TARGET_RATE, parts),
    ]


def measure_first_token(port: int, model: DecoderModel, measured: Measured, num_asks: int) -> list[Figure]:
    """Return how long the first token takes beyond reading the prompt, on an idle system and on a full one."""
    jobs = make_jobs(model.tokenizer, num_asks, new_tokens=(PROBE_TOKENS, PROBE_TOKENS))
    return [_idle(port, model, measured, jobs), _full(port, model, measured, jobs)]


def _idle(port: int, model: DecoderModel, measured: Measured, jobs: Sequence[Job]) -> Figure:
    bystanders = Bystanders()
    prefill_ms, first_ms = [], []
    for job in jobs:
        prefill_ms.append(1000 * time_prefill(model, job))
        first_ms.append(1000 * _ask(port, model.name, job, streamed=True).first_text_s())
    beyond = [first - prefill for first, prefill in zip(first_ms, prefill_ms, strict=True)]
    parts = [
        f"beyond      p50 {statistics.median(beyond):.1f} ms, p95 {p95(beyond):.1f} ms over {len(jobs)} asks",
        f"first token p50 {statistics.median(first_ms):.1f} ms; "
        f"prompt alone, in process p50 {statistics.median(prefill_ms):.1f} ms",
        str(bystanders),
    ]
    title = f"2b. {measured.title}: first token on an idle system, beyond reading the prompt"
    name = f"{measured.key}-first-token-idle"
    return Figure(name, title, statistics.median(beyond), "ms", "at most", TARGET_IDLE_MS, parts)


def _full(port: int, model: DecoderModel, measured: Measured, jobs: Sequence[Job]) -> Figure:
    """Measure beside 15 streams, which end with the last ask."""
    bystanders = Bystanders()
    prefill_ms = [1000 * time_prefill(model, job) for job in jobs]
    length = model.cache.max_tokens - BACKGROUND_PROMPT
    others = [make_job(model.tokenizer, BACKGROUND_PROMPT, length, seed) for seed in range(NUM_CLIENTS - 1)]
    asks = [Ask(index, request_of(job, model.name, streamed=True)) for index, job in enumerate([*others, *jobs])]
    scripts = [Script(deque([ask] * MAX_TEXTS)) for ask in asks[: len(others)]]
    answers = play(port, scripts, Script(deque(asks[len(others) :]), PROBE_PAUSE_S, PROBE_PAUSE_S))
    background = [answer for answer in answers if answer.index < len(others)]
    probes = [answer for answer in answers if answer.index >= len(others)]
    first_ms = [1000 * answer.first_text_s() for answer in probes]
    beyond = [first - prefill for first, prefill in zip(first_ms, prefill_ms, strict=True)]
    step_ms = 1000 * _step_s(background, probes)
    parts = [
        f"beyond      p50 {statistics.median(beyond):.1f} ms, p95 {p95(beyond):.1f} ms, "
        f"longest {max(beyond):.1f} ms over {len(jobs)} asks",
        f"first token p50 {statistics.median(first_ms):.1f} ms, p95 {p95(first_ms):.1f} ms; "
        f"prompt alone, in process p50 {statistics.median(prefill_ms):.1f} ms",
        f"limit: {TARGET_STEPS:g} steps of {step_ms:.1f} ms, the median gap between tokens of the others",
        str(bystanders),
    ]
    title = f"2c. {measured.title}: first token with {len(others)} rows running, beyond reading the prompt, p95"
    limit = TARGET_STEPS * step_ms
    return Figure(f"{measured.key}-first-token-full", title, p95(beyond), "ms", "at most", limit, parts)


def _step_s(background: Sequence[Answer], probes: Sequence[Answer]) -> float:
    """Return the median gap between tokens of the others while the asks were there."""
    asked_at = probes[0].sent_at
    return statistics.median(gap for answer in background for at, gap in answer.gaps() if at > asked_at)


def _ask(port: int, model: str, job: Job, *, streamed: bool) -> Answer:
    (answer,) = play(port, [Script(ask_all([request_of(job, model, streamed=streamed)]))])
    return answer
