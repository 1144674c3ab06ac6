"""Settings of workers: defaults, lists, and errors that name the variable."""

from pathlib import Path

import pytest

from contracts.settings import SettingsError
from workers.runtime.settings import WorkerSettings


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = WorkerSettings.read({})
    assert settings.models_dir == (Path("onnx_models/packages"),)
    assert (settings.models, settings.device, settings.max_batch_tokens) == ((), "cpu", None)
    assert settings.threads >= 1


def test_lists_are_split_and_blanks_are_ignored() -> None:
    variables = {"TRIPTYCH_MODELS_DIR": "/a::/b:", "TRIPTYCH_MODELS": " x, y ,,", "TRIPTYCH_THREADS": " 3 "}
    settings = WorkerSettings.read(variables)
    assert (settings.models_dir, settings.models, settings.threads) == ((Path("/a"), Path("/b")), ("x", "y"), 3)


def test_an_empty_variable_counts_as_not_set() -> None:
    assert WorkerSettings.read({"TRIPTYCH_DEVICE": "", "TRIPTYCH_DRAIN_S": " "}).drain_s == 25


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TRIPTYCH_DEVICE", "gpu"),
        ("TRIPTYCH_THREADS", "0"),
        ("TRIPTYCH_THREADS", "1.5"),
        ("TRIPTYCH_THREADS", "many"),
        ("TRIPTYCH_CONCURRENCY", "1025"),
        ("TRIPTYCH_DRAIN_S", "-1"),
        ("TRIPTYCH_DRAIN_S", "nan"),
        ("TRIPTYCH_DRAIN_S", "inf"),
        ("TRIPTYCH_MAX_BATCH_TOKENS", "-5"),
        ("TRIPTYCH_MAX_ROWS", "0"),
        ("TRIPTYCH_MAX_ROWS", "1025"),
        ("TRIPTYCH_MAX_CACHE_TOKENS", "0"),
        ("TRIPTYCH_HARD_LIMIT_S", "0"),
        ("TRIPTYCH_STALL_S", "1"),
        ("TRIPTYCH_RELOAD_S", "-1"),
        ("TRIPTYCH_LEASE_S", "0.5"),
        ("TRIPTYCH_REDIS_URL", "http://localhost"),
        ("TRIPTYCH_REDIS_URL", "redis+cluster://localhost"),
    ],
)
def test_an_invalid_value_is_refused_with_the_name_of_its_variable(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        WorkerSettings.read({name: value})


def test_a_password_in_the_url_is_never_shown() -> None:
    secret = "redis://:hunter2@somewhere:1/0"
    assert "hunter2" not in repr(WorkerSettings.read({"TRIPTYCH_REDIS_URL": secret}))
    with pytest.raises(SettingsError) as caught:
        WorkerSettings.read({"TRIPTYCH_REDIS_URL": secret.replace("redis:", "valkey:")})
    assert "hunter2" not in str(caught.value)
