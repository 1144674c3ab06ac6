"""The default number of gateway processes: the CPUs, at most four, and fewer where memory is short."""

import pytest

from services.gateway.processes import number
from services.gateway.processes.number import default_processes


@pytest.mark.parametrize(
    ("cpus", "memory_mib", "expected"),
    [
        (1, 65536, 1),
        (2, 65536, 2),
        (4, 65536, 4),
        (64, 65536, 4),
        (64, 1024, 4),
        (64, 1023, 3),
        (64, 511, 1),
        (4, 64, 1),
    ],
)
def test_the_default_follows_the_machine(
    monkeypatch: pytest.MonkeyPatch, cpus: int, memory_mib: int, expected: int
) -> None:
    monkeypatch.setattr(number, "available_cpus", lambda: cpus)
    monkeypatch.setattr(number, "memory_limit_bytes", lambda: memory_mib * 2**20)
    assert default_processes() == expected
