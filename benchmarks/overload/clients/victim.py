"""What one tenant's single requests take while nothing else happens, and while another tenant does its worst."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.overload.deployment import CLASSIFIER, EMBEDDER, GENERATOR, Deployment
from benchmarks.overload.report import Row, median, percentile

NUM_STEPS = 3
Kind = tuple[str, str, dict[str, Any]]
CLASSIFY: Kind = ("classify", "/v1/classify", {"model": CLASSIFIER, "inputs": "The staff were wonderful."})
EMBED: Kind = ("embed", "/v1/embed", {"model": EMBEDDER, "inputs": "How do I reset my password?"})
GENERATE: Kind = (
    "3 tokens", "/v1/generate",
    {"model": GENERATOR, "inputs": "How do I get", "parameters": {"max_new_tokens": NUM_STEPS, "do_sample": False}},
)  # fmt: skip
SUBMIT: Kind = ("submit", "/v1/jobs", {"task": "classify", "model": CLASSIFIER, "inputs": "The staff were wonderful."})
"""Waits for nothing: its answer is 202."""
ALL: tuple[Kind, ...] = (CLASSIFY, EMBED, GENERATE)
GIVE_UP_S = 60.0
TIMES_IDLE = 3.0
"""How much longer than on the idle system a single request may take, one model call aside."""


@dataclass(frozen=True)
class Samples:
    """What single requests took."""

    samples: Sequence[dict[str, Any]]

    def ms(self, kind: str) -> list[float]:
        """Return how long the requests of one kind took, those without an output included."""
        return [sample["ms"] for sample in self.samples if sample["kind"] == kind]

    def parts(self, kind: str) -> str:
        """Return the 95th percentiles of the time in the queue and in the worker; the rest is the gateway's."""
        found = [sample for sample in self.samples if sample["kind"] == kind and "queue_ms" in sample]
        names = {"queue_ms": "in the queue", "worker_ms": "in the worker"}
        return ", ".join(
            f"{percentile([sample[name] for sample in found], 0.95):.0f} {words}" for name, words in names.items()
        )

    def unanswered(self, kind: str) -> list[str]:
        """Return status and code of those that got no output."""
        wanted = 202 if kind == SUBMIT[0] else 200
        found = [sample for sample in self.samples if sample["kind"] == kind and sample["status"] != wanted]
        return [f"{sample['status'] or 'no answer'} {sample['code']}".strip() for sample in found]

    def call_ms(self, kind: str) -> float:
        """Return the median time of one model call that these requests were in: with whatever else was in it."""
        calls = NUM_STEPS if kind == GENERATE[0] else 1
        return median(
            [sample["infer_ms"] / calls for sample in self.samples if sample.get("infer_ms") and sample["kind"] == kind]
        )


class Victim:
    """Sends single requests of a tenant, in a process of its own."""

    def __init__(self, deployment: Deployment, tenant: str, kinds: Sequence[Kind] = ALL) -> None:
        self._plan = {
            "port": deployment.port,
            "key": deployment.keys[tenant],
            "requests": kinds,
            "give_up_s": GIVE_UP_S,
        }
        self._kinds = [kind for kind, _, _ in kinds]
        self.idle = Samples([])

    def measure_idle(self, num_rounds: int) -> None:
        """Measure on the idle system, after some requests that warm it up."""
        self._run(3, None)
        self.idle = self._run(num_rounds, None)

    def measure_during(self, attack: Callable[[], object], most_rounds: int = 10_000) -> Samples:
        """Measure from now until ``attack`` has returned and the request of that moment is answered."""
        return self._run(most_rounds, attack)

    def rows(self, case: str, loaded: Samples, running_ms: float = 0.0) -> Iterator[Row]:
        """Yield a row for each kind of request.

        The model call that a request may take longer is its own, or, if that is longer, one of ``running_ms`` that was
        running as it came.
        """
        for kind in self._kinds:
            idle, ms = self.idle.ms(kind), loaded.ms(kind)
            call_ms = max(running_ms, loaded.call_ms(kind) or self.idle.call_ms(kind))
            bar_ms = TIMES_IDLE * percentile(idle, 0.95) + call_ms
            missing = loaded.unanswered(kind)
            note = (
                f", {len(missing)} of {len(ms)} without output ({', '.join(sorted(set(missing)))})" if missing else ""
            )
            yield Row(
                case, f"B: {kind}, p50 / p95 ms of {len(ms)} (longest; p95 of parts)",
                f"{median(ms):.0f} / {percentile(ms, 0.95):.0f} ({max(ms, default=0):.0f}; {loaded.parts(kind)}){note}",
                f"{median(idle):.0f} / {percentile(idle, 0.95):.0f}",
                f"p95 ≤ {TIMES_IDLE:g} x idle p95 + call of {call_ms:.0f} = {bar_ms:.0f}",
                bool(ms) and not missing and percentile(ms, 0.95) <= bar_ms,
            )  # fmt: skip

    def _run(self, num_rounds: int, action: Callable[[], object] | None) -> Samples:
        command = [sys.executable, "-m", "benchmarks.overload.clients.bystander"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin is not None, "PIPE above"
            process.stdin.write(json.dumps({**self._plan, "num_rounds": num_rounds}) + "\n")
            process.stdin.flush()
            if action is None:
                assert process.stdout is not None, "PIPE above"
                return Samples(json.loads(process.stdout.read()))
            action()
            out, _ = process.communicate("\n", timeout=2 * GIVE_UP_S + 30)
            return Samples(json.loads(out))
