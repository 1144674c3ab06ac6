"""`keys limits`, and keys with rates or for admins."""

import subprocess
import sys

import pytest

from contracts.limits import SETTINGS, TenantLimits
from contracts.store.tenants.limits import StoredLimits
from services.gateway.limits.book import CACHE_S
from services.gateway.settings import GatewaySettings
from services.gateway.tenant_settings import LIMITS
from tests.gateway.fakes.worker import UNSERVED
from tests.gateway.gateway_process import environment
from tests.gateway.limits.conftest import Deployment
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE_S, wait_until


def keys(deployment: Deployment, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return subprocess.run(
        [sys.executable, "-m", "services.gateway", "keys", *arguments],
        cwd=ROOT,
        env=environment(deployment.store_url, **settings),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def shown(done: subprocess.CompletedProcess[str]) -> dict[str, tuple[str, str]]:
    """Return what `keys limits` shows: of each limit its value, and where that is from."""
    assert done.returncode == 0, done.stderr
    head, *lines = done.stdout.splitlines()
    assert head.split("  ")[0] == "LIMIT" and head.endswith("  SET BY")
    rows = (line.split("  ") for line in lines)
    return {row[0].strip(): (row[-2].strip(), row[-1].strip()) for row in rows}


def test_limits_are_set_shown_and_unset(deployment: Deployment) -> None:
    before = shown(keys(deployment, "limits", "--tenant", "carl", TRIPTYCH_TENANT_MAX_TOKENS="5000"))
    assert set(before) == set(LIMITS)
    assert before["max_tokens"] == ("5000", "TRIPTYCH_TENANT_MAX_TOKENS")
    assert before["requests_per_minute"] == ("no limit", "TRIPTYCH_TENANT_REQUESTS_PER_MINUTE")
    assert before["weight"] == ("1", "default")
    changes = ["--set", "max_active=5", "weight=2.5", "--set", "requests_per_minute=90"]
    after = shown(keys(deployment, "limits", "--tenant", "carl", *changes))
    assert {name: value for name, (value, source) in after.items() if source == "this command"} == {
        "max_active": "5", "weight": "2.5", "requests_per_minute": "90",
    }  # fmt: skip
    assert StoredLimits(deployment.store.client).of("carl") == TenantLimits(
        max_active=5, weight=2.5, requests_per_minute=90
    )
    assert "carl" in keys(deployment, "list").stdout.split("LIMITS OF ITS OWN")[1]
    again = shown(
        keys(deployment, "limits", "--tenant", "carl", "--unset", "max_active", "weight", "requests_per_minute")
    )
    assert {source for _, source in again.values()}.isdisjoint({"this command"})
    assert "carl" not in StoredLimits(deployment.store.client).all()


def test_a_running_gateway_takes_new_limits_within_seconds(deployment: Deployment) -> None:
    with deployment.client(deployment.keys.create("dora")) as client:

        def status() -> int:
            return client.post("/v1/jobs", json={"task": "embed", "model": UNSERVED, "inputs": "x"}).status_code

        assert status() == 202
        assert keys(deployment, "limits", "--tenant", "dora", "--set", "max_active=1").returncode == 0
        wait_until(lambda: status() == 429, f"limits that were set {CACHE_S} s ago don't hold")


def test_a_key_has_rates_of_its_own(deployment: Deployment) -> None:
    rates = ["--requests-per-minute", "12", "--work-per-minute", "34"]
    created = keys(deployment, "create", "--tenant", "emil", "--admin", "--name", "for the cluster", *rates)
    key_id = created.stdout.split("_")[1]
    head, *rows = keys(deployment, "list").stdout.splitlines()
    row = next(row for row in rows if row.startswith(key_id))
    assert head.split() == ["KEYID", "TENANT", "CREATED", "ADMIN", "REQUESTS/MIN", "WORK/MIN", "NAME"]
    assert row.split()[1::2] == ["emil", "yes", "34", "the"] and row.index("for the cluster") == head.index("NAME")
    assert "12" in row.split()
    changed = shown(
        keys(deployment, "limits", "--key", key_id, "--set", "work_per_minute=99", "--unset", "requests_per_minute")
    )
    assert changed == {"requests_per_minute": ("no limit", "nobody"), "work_per_minute": ("99", "this command")}
    assert keys(deployment, "limits", "--key", "0" * 16).returncode == 1


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["limits", "--tenant", "a b"], "--tenant: expected 1 to 64 letters"),
        (["limits", "--tenant", "carl", "--set", "max_jobs=5"], "max_jobs: expected one of weight, max_tokens"),
        (["limits", "--tenant", "carl", "--set", "max_active=many"], "max_active=many: expected a whole number from 1"),
        (["limits", "--tenant", "carl", "--set", "max_active=0"], "max_active=0: expected a whole number from 1"),
        (["limits", "--tenant", "carl", "--set", "weight=0"], "weight=0: expected a number from 0.01 to 100"),
        (["limits", "--tenant", "carl", "--set", "max_deadline_s=nan"], "max_deadline_s=nan: expected a number"),
        (["limits", "--tenant", "carl", "--set", "weight=2", "--unset", "weight"], "weight: given more than once"),
        (["limits", "--tenant", "carl", "--set", "weight=2", "weight=3"], "weight: given more than once"),
        (["limits", "--key", "0" * 16, "--set", "max_active=5"], "max_active: expected one of requests_per_minute"),
        (["create", "--tenant", "carl", "--requests-per-minute", "-1"], "requests_per_minute=-1: expected"),
    ],
)
def test_what_can_not_be_set_is_named(deployment: Deployment, arguments: list[str], problem: str) -> None:
    done = keys(deployment, *arguments)
    assert done.returncode == 2 and problem in done.stderr
    assert "carl" not in StoredLimits(deployment.store.client).all()


def test_errors_name_settings_that_exist() -> None:
    variables = {entry.name for entry in GatewaySettings.table().values()}
    assert set(SETTINGS.values()) <= variables
    assert set(LIMITS) == set(TenantLimits.__struct_fields__) == {"weight", *SETTINGS}


def test_help_explains_each_limit(deployment: Deployment) -> None:
    done = keys(deployment, "limits", "--help")
    assert done.returncode == 0 and "keys limits --tenant acme --set" in done.stdout
    text = " ".join(done.stdout.partition("\nlimits:")[2].split())
    for name, entry in LIMITS.items():
        default = f"default: {SETTINGS[name]}" if name in SETTINGS else "default 1"
        assert f"{name} ({default}) {' '.join(entry.description.split())}" in text
    assert "From 1048576 to 1099511627776 bytes." in text and "`keys limits` sets" not in text
