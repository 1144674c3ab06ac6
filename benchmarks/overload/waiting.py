"""Case 7: more clients wait for their jobs than the gateway has connections; another one submits and does not wait."""

import time
from collections.abc import Iterator

from benchmarks.overload.clients.crowd import Answer, Crowd
from benchmarks.overload.clients.victim import SUBMIT, Victim
from benchmarks.overload.deployment import GENERATOR, Deployment
from benchmarks.overload.effort import Effort
from benchmarks.overload.mixes import PROMPT, TO_THE_LIMIT
from benchmarks.overload.multiples import MOST_ANSWER_S
from benchmarks.overload.report import Row, median, percentile, refusals

_SELECT_S = 0.02


def measure(effort: Effort) -> Iterator[Row]:
    """Yield rows for submits of another tenant while the crowd waits."""
    with Deployment(("a", "b")) as deployment:
        victim = Victim(deployment, "b", (SUBMIT,))
        victim.measure_idle(effort.num_rounds)
        parameters = {"max_new_tokens": 200, **TO_THE_LIMIT}
        job = {"task": "generate", "model": GENERATOR, "inputs": [PROMPT] * 8, "parameters": parameters}
        request = deployment.submit("a", {**job, "deadline_s": effort.deadline_s}, wait_s=60)
        answers: list[Answer] = []

        def attack() -> None:
            with Crowd(deployment.port) as crowd:
                for number in range(effort.num_waiting):
                    crowd.send(request)
                    # Answers are read meanwhile, and the connections of those that were refused are used again.
                    answers.extend(crowd.answers(0 if number % 8 else 0.01))
                ends = time.monotonic() + effort.deadline_s + 5  # some seconds more than the jobs have
                while crowd.num_waiting and time.monotonic() < ends:
                    answers.extend(crowd.answers(_SELECT_S))
                answers.extend(crowd.unanswered())

        loaded = victim.measure_during(attack)
        ms, idle, missing = loaded.ms(SUBMIT[0]), victim.idle.ms(SUBMIT[0]), loaded.unanswered(SUBMIT[0])
        note = f", {len(missing)} not accepted ({', '.join(sorted(set(missing)))})" if missing else ""
        times = f"{median(ms):.0f} / {percentile(ms, 0.95):.0f} ({max(ms, default=0):.0f}){note}"
        yield Row(
            "waiting", f"B: submit, p50 / p95 ms of {len(ms)} (longest)", times,
            f"{median(idle):.0f} / {percentile(idle, 0.95):.0f}", f"longest ≤ {MOST_ANSWER_S:g} s",
            bool(ms) and not missing and max(ms) <= 1000 * MOST_ANSWER_S,
        )  # fmt: skip
        refused = refusals((answer.status, answer.body) for answer in answers if answer.status != 200)
        num_done = sum(answer.status == 200 for answer in answers)
        yield Row(
            "waiting", f"A: {effort.num_waiting:,} clients wait", f"{num_done:,} got their job; others: {refused}"
        )
