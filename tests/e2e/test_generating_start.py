"""The start of both generating workers: a cache that is too small, packages of other families, and help."""

from pathlib import Path

import pytest

from contracts.task_names import Family
from tests.e2e.workers import assert_refused, run_worker_command
from tests.support.paths import STARTERS
from tests.support.tiny_package import write_package

pytestmark = pytest.mark.parametrize("family", ["decoder", "seq2seq"])


def test_a_cache_without_room_for_one_text_is_refused(family: Family) -> None:
    settings = {"TRIPTYCH_MODELS_DIR": str(STARTERS), "TRIPTYCH_MAX_CACHE_TOKENS": "10"}
    assert_refused(run_worker_command(family, **settings), "TRIPTYCH_MAX_CACHE_TOKENS is 10, but one sequence may have")


def test_a_worker_that_is_not_needed_has_an_exit_status_of_its_own(family: Family, tmp_path: Path) -> None:
    write_package(tmp_path / "tiny")
    done = run_worker_command(family, TRIPTYCH_MODELS_DIR=str(tmp_path))
    assert_refused(done, f"tiny: its family is 'encoder', and this is the {family} worker", status=3)


def test_help_names_the_main_settings(family: Family) -> None:
    done = run_worker_command(family, "--help")
    assert done.returncode == 0
    for name in ("TRIPTYCH_REDIS_URL", "TRIPTYCH_MODELS_DIR", "TRIPTYCH_DEVICE", "TRIPTYCH_MAX_CACHE_TOKENS"):
        assert name in done.stdout
