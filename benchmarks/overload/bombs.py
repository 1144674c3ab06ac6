"""Case 2: one tenant sends small requests that ask for hours of work; another one sends single requests."""

import time
from collections.abc import Iterator
from typing import Any

from benchmarks.overload.clients.crowd import Answer, Crowd
from benchmarks.overload.clients.load import as_fast_as_possible
from benchmarks.overload.clients.victim import Victim
from benchmarks.overload.deployment import GENERATOR, Deployment
from benchmarks.overload.effort import Effort
from benchmarks.overload.report import Row, refusals

NUM_CLIENTS = 16
BULK = {"priority": "bulk", "deadline_s": 86_400}


def measure(effort: Effort) -> Iterator[Row]:
    """Yield rows for bombs as they come, and for some that fit into the bulk lane."""
    yield from _measure("bombs", effort, n=16, fields={})
    yield from _measure("bombs, bulk", effort, n=1, fields=BULK)


def _measure(case: str, effort: Effort, n: int, fields: dict[str, Any]) -> Iterator[Row]:
    with Deployment(("a", "b")) as deployment:
        if not deployment.knows("b", fields):
            fields = {key: value for key, value in fields.items() if key != "priority"}
            case += " (no lanes here)"
        victim = Victim(deployment, "b")
        victim.measure_idle(effort.num_rounds)
        request = deployment.submit("a", _bomb(effort.inputs_of_a_bomb, n) | fields)
        with Crowd(deployment.port) as crowd:
            bombs = as_fast_as_possible(crowd, [(request, None)] * effort.num_bombs, NUM_CLIENTS)
            answers: list[Answer] = list(bombs)
        samples = victim.measure_during(lambda: time.sleep(effort.most_s))
        yield from victim.rows(case, samples)
        accepted = sum(answer.status == 202 for answer in answers)
        refused = refusals((answer.status, answer.body) for answer in answers if answer.status != 202)
        what = f"A: {effort.num_bombs} x {len(request) / 1000:.0f} KB: {effort.inputs_of_a_bomb:,} inputs x n {n} x 200"
        yield Row(case, what, f"{accepted} accepted; refused: {refused}")


def _bomb(num_inputs: int, n: int) -> dict[str, Any]:
    # It likes to repeat itself, so most texts become long.
    parameters = {"max_new_tokens": 200, "n": n, "do_sample": True, "frequency_penalty": -2.0}
    return {"task": "generate", "model": GENERATOR, "inputs": ["x:"] * num_inputs, "parameters": parameters}
