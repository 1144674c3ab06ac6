"""The memory that a large body takes in the gateway's process."""

import json
import tracemalloc
from collections.abc import Callable

from flask import Flask, request

from services.gateway.http.bodies.budget import BodyBudget
from services.gateway.http.bodies.parsing import check_in_child
from services.gateway.http.body import BodyReader
from services.gateway.jobs.submission import JOB_CHECK
from services.gateway.languages.languagetool.requests import CheckRequest
from services.gateway.offload.client import Offload
from services.gateway.processes.counters import Counted, Counters

MEBIBYTE = 1 << 20


class MeasuringOffload(Offload):
    """Runs calls at once in this process, and notes how much memory is in use when they come."""

    in_use = 0

    def call(
        self,
        function: Callable[[bytes], bytes],
        argument: bytes,
        *,
        owner: str = "",
        cpu_s: float = 0.0,
        max_wait_s: float = 0.0,
        on_turn: Callable[[], None] | None = None,
    ) -> bytes:
        assert function is check_in_child
        self.in_use = tracemalloc.get_traced_memory()[0]
        return function(argument)


def test_a_body_that_waits_for_the_child_is_there_once() -> None:
    offload = MeasuringOffload()
    budget = BodyBudget(16 * MEBIBYTE, Counters(), Counted.BODY_BYTES, max_unfinished=1, longest=9 * MEBIBYTE)
    reader = BodyReader(max_bytes=8 * MEBIBYTE, timeout_s=30.0, budget=budget, keyless_budget=budget, offload=offload)
    body = json.dumps({"task": "embed", "inputs": "x" * 6 * MEBIBYTE}).encode()
    with Flask(__name__).test_request_context(method="POST", data=body, content_type="application/json"):
        tracemalloc.start()
        try:
            submission = reader.read(request, JOB_CHECK)
        finally:
            tracemalloc.stop()
    assert len(submission.inputs) == 6 * MEBIBYTE
    # What is encoded for the child has room for half as much again.
    assert len(body) <= offload.in_use < 2 * len(body)


def test_millions_of_ids_of_rules_are_not_split() -> None:
    ids = "ab," * 1_000_000
    form = CheckRequest(language="en", enabled_only=True, disabled_rules=ids, enabled_rules=ids)
    tracemalloc.start()
    try:
        assert form.rule_is_disabled
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2 * len(ids)
