"""Two minutes of what `make chaos` does for ten."""

import secrets
from pathlib import Path

from tests.chaos.run import run

LENGTH_S = 120.0


def test_two_minutes_of_chaos_lose_double_and_stop_nothing(tmp_path: Path) -> None:
    result = run(LENGTH_S, secrets.randbelow(10**6), tmp_path)
    print(result.report)
    assert result.is_right, f"{result.details}\n\n{result.report}"
