"""Figure 2: throughput of one client alone, and time to the first token alone and with fifteen other clients."""

import statistics
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.decoder.bare_loop import generate_all, time_prefill
from benchmarks.decoder.jobs import make_job, make_jobs
from benchmarks.decoder.requests import request_of
from benchmarks.generation.clients import Numbered, Script, numbered, run_scripts
from benchmarks.generation.comparison import ratios_of, share_equal, timed
from benchmarks.generation.contest import NUM_CLIENTS
from benchmarks.generation.jobs import Job
from benchmarks.generation.models import BenchModel
from benchmarks.generation.responses import Response
from benchmarks.harness.machine import OtherLoad
from benchmarks.harness.report import Figure, p95, spread
from workers.decoder.model import DecoderModel

TARGET_RATE = 0.93
TARGET_IDLE_MS = 15.0
TARGET_STEPS = 3.0
PROBE_TOKENS = 4
"""New tokens of a request that measures the time to the first one."""
PROBE_PAUSE_S = 0.37
"""Pause between two such requests with other clients: no multiple of a step, so they arrive at any time of it."""
BACKGROUND_PROMPT = 32
MAX_BACKGROUND_TEXTS = 100
"""Texts that each of the others may generate, one after another until the last probe; each has the longest length."""


@dataclass
class FirstTokens:
    """Times to the first token, and the times that the bare loop needs to prefill the same prompts."""

    prefill_ms: list[float]
    first_ms: list[float] = field(default_factory=list)

    @property
    def beyond_ms(self) -> list[float]:
        """The differences."""
        return [first - prefill for first, prefill in zip(self.first_ms, self.prefill_ms, strict=True)]

    def lines(self) -> list[str]:
        """Return the times as text."""
        beyond, first, prefill = self.beyond_ms, self.first_ms, self.prefill_ms
        return [
            f"beyond      p50 {statistics.median(beyond):.1f} ms, p95 {p95(beyond):.1f} ms, "
            f"longest {max(beyond):.1f} ms over {len(beyond)} requests",
            f"first token p50 {statistics.median(first):.1f} ms, p95 {p95(first):.1f} ms; "
            f"prompt alone, in process p50 {statistics.median(prefill):.1f} ms",
        ]


def measure_alone(port: int, model: DecoderModel, bench: BenchModel, num_jobs: int) -> list[Figure]:
    """Return the throughput of one client as a share of the bare loop's; client and loop alternate."""
    other_load = OtherLoad()
    bare, streamed, whole = list[float](), list[float](), list[float]()
    for job in make_jobs(model.tokenizer, num_jobs):
        elapsed_s, (tokens,) = timed(lambda: generate_all(model, [job], 1))  # noqa: B023 (called at once)
        bare.append(len(tokens) / elapsed_s)
        for rates, is_streamed in ((streamed, True), (whole, False)):
            response = _run_one(port, model.name, job, streamed=is_streamed)
            share_equal([response.text()], [model.tokenizer.decode(tokens)])
            rates.append(len(tokens) / (response.ended_at - response.sent_at))
    ratios, others = ratios_of(streamed, bare), ratios_of(whole, bare)
    parts = [
        f"ratio     {spread(ratios)}; not streamed {statistics.median(others):.2f}",
        f"streamed  {spread(streamed, '.1f')} tokens/s",
        f"bare loop {spread(bare, '.1f')} tokens/s",
        str(other_load),
    ]
    title = f"2a. {bench.title}: one client alone, streamed, against a bare loop in process"
    return [Figure(f"{bench.key}-alone", title, statistics.median(ratios), "", "at least", TARGET_RATE, parts)]


def measure_first_token(port: int, model: DecoderModel, bench: BenchModel, num_jobs: int) -> list[Figure]:
    """Return the time to the first token beyond prefill, on an idle system and on a full one."""
    jobs = make_jobs(model.tokenizer, num_jobs, new_tokens=(PROBE_TOKENS, PROBE_TOKENS))
    return [_idle(port, model, bench, jobs), _full(port, model, bench, jobs)]


def _idle(port: int, model: DecoderModel, bench: BenchModel, jobs: Sequence[Job]) -> Figure:
    other_load = OtherLoad()
    found = FirstTokens([])
    for job in jobs:
        found.prefill_ms.append(1000 * time_prefill(model, job))
        found.first_ms.append(1000 * _run_one(port, model.name, job, streamed=True).first_text_s())
    title = f"2b. {bench.title}: first token on an idle system, beyond reading the prompt"
    name, value = f"{bench.key}-first-token-idle", statistics.median(found.beyond_ms)
    return Figure(name, title, value, "ms", "at most", TARGET_IDLE_MS, [*found.lines(), str(other_load)])


def _full(port: int, model: DecoderModel, bench: BenchModel, jobs: Sequence[Job]) -> Figure:
    """Measure during 15 other streams, which end with the last probe."""
    other_load = OtherLoad()
    found = FirstTokens([1000 * time_prefill(model, job) for job in jobs])
    length = model.cache.max_tokens - BACKGROUND_PROMPT
    others = [make_job(model.tokenizer, BACKGROUND_PROMPT, length, seed) for seed in range(NUM_CLIENTS - 1)]
    requests = [Numbered(i, request_of(job, model.name, streamed=True)) for i, job in enumerate([*others, *jobs])]
    scripts = [Script(deque([request] * MAX_BACKGROUND_TEXTS)) for request in requests[: len(others)]]
    # The probes lead: they start when all others stream, and the others disconnect after the last probe.
    responses = run_scripts(port, scripts, Script(deque(requests[len(others) :]), PROBE_PAUSE_S, PROBE_PAUSE_S))
    background = [response for response in responses if response.index < len(others)]
    probes = [response for response in responses if response.index >= len(others)]
    found.first_ms = [1000 * response.first_text_s() for response in probes]
    step_ms = 1000 * _step_s(background, probes)
    limits = f"limit: {TARGET_STEPS:g} steps of {step_ms:.1f} ms, the median gap between tokens of the others"
    title = f"2c. {bench.title}: first token with {len(others)} rows running, beyond reading the prompt, p95"
    name, limit = f"{bench.key}-first-token-full", TARGET_STEPS * step_ms
    return Figure(name, title, p95(found.beyond_ms), "ms", "at most", limit, [*found.lines(), limits, str(other_load)])


def _step_s(background: Sequence[Response], probes: Sequence[Response]) -> float:
    """Return the median gap between tokens of the background streams since the first probe."""
    sent_at = probes[0].sent_at
    return statistics.median(gap for response in background for at, gap in response.gaps() if at > sent_at)


def _run_one(port: int, model: str, job: Job, *, streamed: bool) -> Response:
    (response,) = run_scripts(port, [Script(numbered([request_of(job, model, streamed=streamed)]))])
    return response
