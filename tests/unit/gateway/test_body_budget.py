"""What of the budget for bodies is kept for small ones."""

import pytest

from services.gateway.http.bodies import budget as budgets
from services.gateway.http.bodies.budget import BodyBudget
from services.gateway.http.bodies.checking import SMALL_BYTES
from services.gateway.offload.errors import GatewayBusy
from services.gateway.processes.counters import Counted, Counters

MAX_BYTES = 64 * SMALL_BYTES


def test_the_beginnings_of_large_bodies_leave_room_for_small_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budgets, "_PATIENCE_S", 0.0)  # nothing becomes free
    budget = BodyBudget(MAX_BYTES, Counters(), Counted.BODY_BYTES, max_unfinished=1000, longest=MAX_BYTES)
    num_begun = 0
    with pytest.raises(GatewayBusy):
        while True:
            budget.reserve(lambda: None, most_bytes=SMALL_BYTES + 1, owner="").add(SMALL_BYTES)
            num_begun += 1
    assert num_begun == 56, "seven eighths"
    for _ in range(8):
        budget.reserve(lambda: None, most_bytes=SMALL_BYTES, owner="").add(SMALL_BYTES)
    with pytest.raises(GatewayBusy):
        budget.reserve(lambda: None, most_bytes=SMALL_BYTES, owner="").add(SMALL_BYTES)
