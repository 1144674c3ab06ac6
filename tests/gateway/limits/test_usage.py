"""`GET /v1/usage`: a tenant sees what its jobs took, and an admin key all tenants."""

import csv
import io
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import httpx
import pytest

from contracts.jobs import Answer
from contracts.price.estimate import Consumed
from contracts.store.keys import PREFIX
from tests.gateway.fakes.worker import EMBED, UNSERVED
from tests.gateway.limits.conftest import Deployment
from tests.redis.builders import claim
from tests.support.job_store import JobStore
from tests.support.store_time import today
from tests.support.waiting import wait_until


def take(store: JobStore, job_id: str, tokens_out: int) -> None:
    """Run a job as a worker that says what it took."""
    answer = Answer(output=b"[1]", usage=b"{}", timings=b"{}", model_revision="r")
    assert store.succeed(claim(store, job_id), answer, Consumed(1.5, 10, tokens_out))


@pytest.fixture
def day(deployment: Deployment) -> date:
    """Return the day of the store."""
    return today(deployment.store.client)


@pytest.fixture
def used(deployment: Deployment, client_of: Any) -> tuple[httpx.Client, str, str]:
    """Return a client whose tenant has used two models with two keys, its tenant, and the id of its own key."""
    client, tenant = client_of({})
    key = client.headers["Authorization"].removeprefix("Bearer ")
    with deployment.client(deployment.keys.create(tenant)) as second:
        for one, model in ((client, UNSERVED), (client, UNSERVED), (second, UNSERVED), (second, EMBED)):
            body = {"task": "embed", "model": model, "inputs": "x"}
            job_id = one.post("/v1/jobs", json=body).json()["id"]
            if model == UNSERVED:
                take(deployment.store, job_id, 20)
            else:
                wait_until(lambda: second.get(f"/v1/jobs/{job_id}").json()["completed_at"], "no worker")  # noqa: B023
    cancelled = client.post("/v1/jobs", json={"task": "embed", "model": UNSERVED, "inputs": "x"}).json()["id"]
    client.delete(f"/v1/jobs/{cancelled}")
    return client, tenant, key.split("_")[1]


def test_a_tenant_sees_its_jobs_by_day(used: tuple[httpx.Client, str, str], day: date) -> None:
    client, _, _ = used
    report = client.get("/v1/usage").json()
    assert (report["object"], date.fromisoformat(report["end"])) == ("usage", day)
    assert (day - date.fromisoformat(report["start"])).days == 29
    (row,) = report["data"]
    assert row["day"] == str(day) and not {"tenant", "key", "model"} & set(row)
    assert row["jobs"] == {"succeeded": 4, "failed": 0, "cancelled": 1, "expired": 0}
    assert row["tokens_out"] == 60 and row["work_s"] >= 4.5 and row["bytes_in"] > 0 and row["bytes_out"] > 9
    assert report["total"] == {name: value for name, value in row.items() if name != "day"}


def test_rows_are_grouped_as_asked(used: tuple[httpx.Client, str, str], day: date) -> None:
    client, tenant, key_id = used
    by_model = {row["model"]: row["jobs"]["succeeded"] for row in client.get("/v1/usage?by=model").json()["data"]}
    assert by_model == {UNSERVED: 3, EMBED: 1}
    by_key = {row["key"]: row["jobs"] for row in client.get("/v1/usage?by=key").json()["data"]}
    assert len(by_key) == 2 and by_key[key_id]["succeeded"] == 2 and by_key[key_id]["cancelled"] == 1
    rows = client.get("/v1/usage?by=model,day,key,tenant").json()["data"]
    assert [(row["tenant"], row["day"]) for row in rows] == [(tenant, str(day))] * 3
    assert client.get(f"/v1/usage?end={day - timedelta(days=1)}").json()["data"] == []


@pytest.mark.parametrize("ask", [{"params": {"format": "csv"}}, {"headers": {"Accept": "text/csv"}}])
def test_csv_has_the_same_rows(used: tuple[httpx.Client, str, str], ask: dict[str, Any]) -> None:
    client, _, _ = used
    answer = client.get("/v1/usage", **{"params": {}} | ask)
    assert answer.headers["Content-Type"].startswith("text/csv")
    (row,) = csv.DictReader(io.StringIO(answer.text))
    (expected,) = client.get("/v1/usage").json()["data"]
    jobs = expected.pop("jobs")
    assert row == {name: str(value) for name, value in (expected | jobs).items()}


def test_an_admin_key_sees_all_tenants_and_others_only_their_own(
    deployment: Deployment, used: tuple[httpx.Client, str, str]
) -> None:
    client, tenant, _ = used
    with deployment.client(deployment.keys.create("boss", admin=True)) as admin:
        tenants = {row["tenant"]: row["jobs"] for row in admin.get("/v1/usage").json()["data"]}
        assert tenants[tenant]["succeeded"] == 4
        (row,) = admin.get(f"/v1/usage?tenant={tenant}&by=tenant").json()["data"]
        assert row["jobs"] == tenants[tenant]
        assert admin.get("/v1/usage?tenant=nobody").json()["data"] == []
    refused = client.get("/v1/usage?tenant=boss")
    error = refused.json()["error"]
    assert (refused.status_code, error["code"], error["param"]) == (403, "admin_key_needed", "tenant")
    assert client.get(f"/v1/usage?tenant={tenant}").status_code == 200


BAD: dict[str, str] = {
    "start=yesterday": "start",
    "end=2026-13-01": "end",
    "end=0001-01-01": "end",
    "start=1000-12-31&end=1001-01-01": "end",
    "start=2026-01-02&end=2026-01-01": "start",
    "start=2020-01-01": "start",
    "by=hour": "by",
    "by=": "by",
    "format=xml": "format",
    "days=3": "days",
}


@pytest.mark.parametrize("query", BAD)
def test_bad_parameters_are_named(client_of: Callable[..., Any], query: str) -> None:
    client, _ = client_of({})
    answer = client.get(f"/v1/usage?{query}")
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, BAD[query])


def test_messages_say_what_is_expected(client_of: Callable[..., Any]) -> None:
    client, _ = client_of({})
    error = client.get("/v1/usage?start=2020-01-01&end=2026-01-31").json()["error"]
    assert error["message"] == "Expected a day from 2024-12-27 to 2026-01-31, which is `end`."
    error = client.get("/v1/usage?days=3").json()["error"]
    assert error["message"] == "Unknown query parameter. Known: start, end, by, tenant, format."


def test_what_the_reaper_has_posted_and_what_not_are_added(
    deployment: Deployment, used: tuple[httpx.Client, str, str]
) -> None:
    client, tenant, _ = used

    def is_posted() -> bool:
        return not [name for name in deployment.store.client.hkeys(f"{PREFIX}ledger") if tenant.encode() in name]

    before = client.get("/v1/usage").json()["total"]
    wait_until(is_posted, "the reaper of the gateway does not post")
    assert client.get("/v1/usage").json()["total"] == before
