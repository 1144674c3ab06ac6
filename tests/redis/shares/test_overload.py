"""At several times the capacity, what is accepted is done in time, and as much is done as can be done."""

import pytest

from tests.redis.shares.simulation import Client, Simulation
from tests.support.job_store import JobStore

DEADLINE_S, SECONDS = 20.0, 40.0
PRICES_S = (0.02, 0.08, 0.2)
CLIENTS = {
    "one tenant": {"a": Client(1.0, PRICES_S)},
    "a flood and two others": {"a": Client(0.7, PRICES_S), "b": Client(0.15, PRICES_S), "c": Client(0.15, PRICES_S)},
    "many tenants": {f"t{number}": Client(1 / 30, PRICES_S) for number in range(30)},
    "lanes": {
        "a": Client(0.5, PRICES_S),
        "b": Client(0.2, (0.02, 0.05), "interactive"),
        "c": Client(0.2, PRICES_S),
        "d": Client(0.1, PRICES_S, "bulk"),
    },
}


@pytest.mark.parametrize("times", [3, 9])
@pytest.mark.parametrize("name", CLIENTS)
def test_what_is_accepted_is_done_in_time(store: JobStore, name: str, times: int) -> None:
    clients = {tenant: client._replace(rate=times * client.rate) for tenant, client in CLIENTS[name].items()}
    simulation = Simulation(store, clients, DEADLINE_S)
    simulation.run(SECONDS)
    # It takes a second or two until it is known what others take of the workers.
    assert simulation.expired_part <= 0.02
    assert simulation.done_s >= 0.9 * SECONDS
