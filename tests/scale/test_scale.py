"""50,000 waiting jobs in CI; `make scale` does the same with a million."""

import logging
from pathlib import Path

import pytest

from contracts.store.redis_client import connect
from tests.scale.meter import MAX_MS
from tests.scale.scale import Scale
from tests.support.valkey import running_valkey


def test_no_call_is_long_with_50_000_waiting_jobs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)  # each job that ends leaves a line
    with running_valkey(tmp_path / "valkey") as server:
        client = connect(server.url, timeout_s=60, retries=0)
        scale = Scale(client, server.url, 50_000)
        scale.run(rounds=3, num_metered=50)
        client.close()
    print(scale.report())
    # CPU time, and four times the limit: this machine is busy, and may be slow.
    assert scale.faults(max_cpu_ms=4 * MAX_MS) == []
    assert scale.expired is not None and scale.forgotten is not None
    assert scale.expired.num_jobs > 40_000
    assert scale.num_records == 0
