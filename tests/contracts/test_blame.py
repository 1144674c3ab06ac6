"""Which jobs are charged with a worker's death, by what was done with them when it died."""

import pytest

from contracts.store.attempts.blame import verdict_on
from workers.runtime.process.shared_state import HeldAttempt


def held(text: str) -> HeldAttempt:
    return HeldAttempt(text, 1, "call" in text, "prepared" in text, "suspect" in text)


@pytest.mark.parametrize(
    ("jobs", "verdicts"),
    [
        ("", ""),
        ("call idle", "blamed innocent"),
        ("call call idle", "blamed blamed innocent"),
        ("call prepared idle", "blamed suspected innocent"),
        ("prepared idle", "blamed innocent"),
        ("idle idle", "blamed blamed"),
        ("suspect-call idle prepared", "blamed innocent suspected"),
        ("suspect-prepared call idle", "blamed suspected innocent"),
        ("suspect-prepared prepared", "blamed suspected"),
        ("suspect-idle call", "innocent blamed"),
        ("suspect-idle prepared", "innocent blamed"),
        ("suspect-idle idle", "blamed suspected"),
        ("suspect-call suspect-call suspect-idle", "blamed blamed innocent"),
    ],
)
def test_verdicts(jobs: str, verdicts: str) -> None:
    """Jobs that something was done with are charged, but no newcomer beside a suspect."""
    assert verdict_on([held(text) for text in jobs.split()]) == verdicts.split()
