"""Jobs whose work is known: each is measured once on the idle system, in tokens that the model reads or writes."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.harness import prose
from benchmarks.harness.report import BenchError
from benchmarks.overload.clients.crowd import Crowd
from benchmarks.overload.clients.load import Sent, as_fast_as_possible
from benchmarks.overload.deployment import EMBEDDER, GENERATOR, Deployment

SEED = 14
PROMPT = "A poem about the sea:\n"
TO_THE_LIMIT = {"do_sample": False, "frequency_penalty": -2.0}
"""With these parameters the model repeats itself, and so writes as many tokens as it may, the same ones every time."""
WRITTEN = ((1, 200), (2, 200), (4, 100), (8, 100), (16, 64), (16, 200), (32, 100), (64, 64))
"""Inputs of a job, and tokens that each writes."""
READ = (1, 2, 4, 8, 16, 32)
"""Texts of a job that embeds them."""


@dataclass(frozen=True)
class Mix:
    """Jobs for one model."""

    name: str
    family: str
    documents: Sequence[dict[str, Any]]


@dataclass(frozen=True)
class KnownMix:
    """The same with the work of each job, in tokens, and an order in which they come again and again."""

    documents: Sequence[dict[str, Any]]
    work: Sequence[float]
    order: Sequence[int]

    @property
    def mean_work(self) -> float:
        """The mean work of a job."""
        return sum(self.work) / len(self.work)

    def at(self, number: int) -> int:
        """Return which document the job with this number has."""
        return self.order[number % len(self.order)]


def written(num_kinds: int) -> Mix:
    """Return jobs that generate, of so many kinds at most."""
    documents = [
        {
            "task": "generate", "model": GENERATOR, "inputs": [PROMPT] * rows,
            "parameters": {"max_new_tokens": tokens, **TO_THE_LIMIT},
        }
        for rows, tokens in WRITTEN[:num_kinds]
    ]  # fmt: skip
    return Mix("generate", "decoder", documents)


def read(num_kinds: int) -> Mix:
    """Return jobs that embed, of so many kinds at most."""
    texts = prose.texts(256)
    documents = [
        {"task": "embed", "model": EMBEDDER, "inputs": texts[rows : 2 * rows], "parameters": {"truncate": "right"}}
        for rows in READ[:num_kinds]
    ]
    return Mix("embed", "encoder", documents)


def known(deployment: Deployment, tenant: str, mix: Mix) -> KnownMix:
    """Run each job once, one after another, and return the mix with their work.

    Raises:
        BenchError: a job does not succeed.
    """
    requests: list[Sent] = [
        (deployment.submit(tenant, document, wait_s=60), number) for number, document in enumerate(mix.documents)
    ]
    work = [0.0] * len(requests)
    with Crowd(deployment.port) as crowd:
        for answer in as_fast_as_possible(crowd, requests, num_clients=1):
            if answer.status != 200 or (job := json.loads(answer.body))["status"] != "succeeded":
                raise BenchError(f"a job of the mix did not succeed: {answer.status} {answer.body[:300]!r}")
            work[answer.tag] = float(job["usage"].get("tokens_out") or job["usage"]["tokens_used"])
    order = list(range(len(work))) * 8
    random.Random(SEED).shuffle(order)
    return KnownMix(mix.documents, work, order)
