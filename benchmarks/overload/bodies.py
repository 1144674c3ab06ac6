"""Case 5: one tenant fills the store with large jobs that may wait for a day; another one sends single requests."""

import time
from collections.abc import Iterator

from benchmarks.overload.bombs import BULK
from benchmarks.overload.clients.crowd import Answer, Crowd
from benchmarks.overload.clients.load import as_fast_as_possible
from benchmarks.overload.clients.victim import CLASSIFY, GENERATE, Victim
from benchmarks.overload.deployment import EMBEDDER, Deployment
from benchmarks.overload.effort import Effort
from benchmarks.overload.report import Row, refusals

MAXMEMORY = "1gb"
NUM_CLIENTS = 4
NUM_TEXTS = 2048
AFTER = 0.25
"""How long the other tenant's requests go on after the last body, as a share of the longest time of a case."""


def measure(effort: Effort) -> Iterator[Row]:
    """Yield rows for what both tenants get."""
    with Deployment(("a", "b"), maxmemory=MAXMEMORY) as deployment:
        victim = Victim(deployment, "b", (CLASSIFY, GENERATE))
        victim.measure_idle(effort.num_rounds)
        fields = BULK if deployment.knows("b", BULK) else {"deadline_s": BULK["deadline_s"]}
        text = ("It rains in the mountains. " * (effort.body_bytes // NUM_TEXTS))[: effort.body_bytes // NUM_TEXTS - 3]
        document = {
            "task": "embed",
            "model": EMBEDDER,
            "inputs": [text] * NUM_TEXTS,
            "parameters": {"truncate": "right"},
        }
        request = deployment.submit("a", document | fields)
        answers: list[Answer] = []

        def attack() -> None:
            with Crowd(deployment.port) as crowd:
                answers.extend(as_fast_as_possible(crowd, [(request, None)] * effort.num_bodies, NUM_CLIENTS))
            time.sleep(AFTER * effort.most_s)

        yield from victim.rows("bodies", victim.measure_during(attack))
        accepted = sum(answer.status == 202 for answer in answers)
        refused = refusals((answer.status, answer.body) for answer in answers if answer.status != 202)
        used_mb = deployment.stack.client.info("memory")["used_memory"] / 1e6
        what = f"A: {effort.num_bodies} x {len(request) / (1 << 20):.1f} MiB, store of {MAXMEMORY}"
        yield Row("bodies", what, f"{accepted} accepted; refused: {refused}; store uses {used_mb:.0f} MB")
