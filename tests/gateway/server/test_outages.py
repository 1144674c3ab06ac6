"""The store dies, freezes or fills up under a gateway: requests get a response in time, and the gateway recovers."""

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx
import pytest

from contracts.errors import WorkerLost
from tests.gateway.fakes.generation import UNSERVED_GENERATOR, answer_of
from tests.gateway.fakes.manual_worker import ManualWorker
from tests.gateway.fakes.worker import UNSERVED, announce, store_of
from tests.gateway.gateway_process import GatewayProcess, running_gateway
from tests.gateway.other_client import OtherClient
from tests.support.job_store import JobStore
from tests.support.valkey import ValkeyServer, running_valkey
from tests.support.waiting import PATIENCE_S, wait_until

Call = Callable[[], httpx.Response]
TIMEOUTS_S = 4.5
"""Of the calls to the store that one request makes: 3.3 s, and the rest for a busy machine. Two timeouts take 5.1 s."""
BODY = {"task": "embed", "inputs": "text", "model": UNSERVED}
GENERATE = {"inputs": "x", "model": UNSERVED_GENERATOR, "stream": True}


@pytest.fixture
def gateway(valkey_server: ValkeyServer, tmp_path: Path) -> Iterator[GatewayProcess]:
    announce(valkey_server.url)
    with running_gateway(valkey_server.url, tmp_path) as gateway:
        yield gateway


@pytest.fixture
def client(gateway: GatewayProcess) -> Iterator[httpx.Client]:
    """One client for all threads: making one takes longer than many a request."""
    limits = httpx.Limits(max_connections=None)
    with httpx.Client(base_url=gateway.url, timeout=PATIENCE_S, limits=limits) as client:
        yield client


def timed(call: Call) -> tuple[float, httpx.Response]:
    started = time.monotonic()
    answer = call()
    return time.monotonic() - started, answer


def requests_of(client: httpx.Client, job_id: str, number: int) -> list[Call]:
    """Return calls of every kind that needs the store."""
    kinds: list[Call] = [
        lambda: client.post("/v1/jobs", json=BODY),
        lambda: client.post("/v1/embed", json={"inputs": "x", "model": UNSERVED}),
        lambda: client.post("/v1/embeddings", json={"input": "x", "model": UNSERVED}),
        lambda: client.get("/v1/jobs"),
        lambda: client.get(f"/v1/jobs/{job_id}"),
        lambda: client.get(f"/v1/jobs/{job_id}?wait=20"),
        lambda: client.get(f"/v1/jobs/{job_id}/events?starting_after=99999999999999"),
        lambda: client.post(f"/v1/jobs/{job_id}/cancel"),
        lambda: client.delete(f"/v1/jobs/{'A' * 22}"),
        lambda: client.get("/v1/workers"),
        lambda: client.post("/v1/generate", json=GENERATE),
        lambda: client.post("/v1/completions", json={"prompt": "x", "model": UNSERVED_GENERATOR, "stream": True}),
    ]
    return [kinds[index % len(kinds)] for index in range(number)]


def all_at_once(calls: list[Call]) -> list[tuple[float, httpx.Response]]:
    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(timed, calls))


def crowd_of(gateway: GatewayProcess) -> float:
    """Return how long the longest of 100 requests takes that come at once."""
    # A client of its own: connections that stay open would look like the long polls that the test waits for.
    with httpx.Client(base_url=gateway.url, timeout=PATIENCE_S, limits=httpx.Limits(max_connections=None)) as crowd:
        return max(seconds for seconds, _ in all_at_once([lambda: crowd.get("/livez")] * 100))


@pytest.mark.parametrize("fault", ["frozen", "killed"])
def test_without_the_store_every_request_is_refused_in_time(
    valkey_server: ValkeyServer, gateway: GatewayProcess, client: httpx.Client, fault: str
) -> None:
    job_id = client.post("/v1/jobs", json=BODY).json()["id"]
    crowd_s = crowd_of(gateway)
    poll = f"/v1/jobs/{job_id}"
    # Another client notes how late everything is meanwhile: the machine may be busier than it was with the crowd.
    with ThreadPoolExecutor(10) as pool, OtherClient(gateway.port) as other:
        polls = [pool.submit(timed, lambda: client.get(poll, params={"wait": 30})) for _ in range(10)]
        wait_until(lambda: gateway.num_clients >= 11, "the long polls have not begun")
        broken_at = time.monotonic()
        valkey_server.freeze() if fault == "frozen" else valkey_server.kill()
        answers = all_at_once(requests_of(client, job_id, 100))
        answers += all_at_once(requests_of(client, job_id, 100))
        ended = [future.result() for future in polls]
        both_s = time.monotonic() - broken_at
        in_time_s = TIMEOUTS_S + 3 * (crowd_s + other.end())
    assert both_s < 2 * in_time_s
    for seconds, answer in answers:
        assert answer.status_code == 503, (answer.request.url, answer.text)
        assert answer.json()["error"]["code"] == "unavailable"
        assert int(answer.headers["Retry-After"]) >= 1
        assert seconds < in_time_s, answer.request.url
    assert {answer.status_code for _, answer in ended} == {503}
    seconds, answer = timed(lambda: client.get("/livez"))
    assert (answer.status_code, seconds < 0.5 + crowd_s) == (200, True)
    words = {"frozen": "does not answer in time", "killed": "is out of reach"}[fault]
    # Requests may notice it before the monitor of their process does.
    wait_until(lambda: client.get("/readyz").json()["reasons"] == [f"The job store {words}."], "not noticed")
    assert "triptych_store_up 0.0" in client.get("/metrics").text
    valkey_server.thaw() if fault == "frozen" else valkey_server.start()
    wait_until(lambda: client.get("/readyz").status_code == 200, "not ready again")
    assert client.get(poll).status_code == 200
    assert client.post("/v1/jobs", json=BODY).status_code == 202


def test_a_stream_ends_when_the_store_is_lost(valkey_server: ValkeyServer, gateway: GatewayProcess) -> None:
    job = httpx.post(f"{gateway.url}/v1/jobs", json=BODY).json()
    round_trip_s = gateway.round_trip_s()
    with httpx.stream("GET", gateway.url + job["urls"]["events"], timeout=PATIENCE_S) as answer:
        lines = answer.iter_lines()
        next(lines)
        valkey_server.freeze()
        seconds, _ = timed(lambda: list(lines))
    assert seconds < TIMEOUTS_S + 20 * round_trip_s
    valkey_server.thaw()


def test_a_text_stream_reports_the_loss_of_the_store(valkey_server: ValkeyServer, gateway: GatewayProcess) -> None:
    found: list[bytes] = []
    round_trip_s = gateway.round_trip_s()

    def read() -> None:
        with httpx.stream("POST", f"{gateway.url}/v1/generate", json=GENERATE, timeout=PATIENCE_S) as answer:
            found.extend(answer.iter_raw())

    reader = threading.Thread(target=read)
    reader.start()
    store = store_of(valkey_server.url)
    worker = ManualWorker(store)
    worker.emit(*worker.deltas()[:2])
    wait_until(lambda: found, "the stream has not begun")
    valkey_server.freeze()
    seconds, _ = timed(lambda: reader.join(PATIENCE_S))  # type: ignore[arg-type, return-value]
    assert seconds < TIMEOUTS_S + 20 * round_trip_s
    assert b'"error_type":"unavailable"' in b"".join(found)
    valkey_server.thaw()
    store.client.close()


def test_a_job_whose_client_never_learns_its_id_is_cancelled(
    valkey_server: ValkeyServer, gateway: GatewayProcess, client: httpx.Client
) -> None:
    store = store_of(valkey_server.url)
    body = {"inputs": "text", "model": UNSERVED}
    keyed = {"Idempotency-Key": "coming back"}
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(client.post, "/v1/embed", json=body, headers=headers) for headers in ({}, keyed)]
        wait_until(lambda: store.num_live() == 2, "not submitted")
        valkey_server.freeze()
        assert [answer.result().status_code for answer in waiting] == [503, 503]
    valkey_server.thaw()
    wait_until(lambda: store.num_live() == 1, "the job goes on")
    # The other client comes back for the job, as soon as the gateway has noticed that the store answers.
    headers = {**keyed, "Prefer": "respond-async"}
    again = wait_until(lambda: _accepted(client.post("/v1/embed", json=body, headers=headers)), "not accepted")
    assert (again.headers["Idempotent-Replayed"], again.json()["status"]) == ("true", "queued")
    store.client.close()


def test_a_job_that_the_store_accepts_too_late_for_its_client_is_cancelled(
    valkey_server: ValkeyServer, gateway: GatewayProcess, client: httpx.Client
) -> None:
    store = store_of(valkey_server.url)

    def is_late() -> bool:
        # If the gateway notices the loss before the request comes, nothing is sent to the store.
        # So that this process has a connection to the store, which takes the next submit although it is frozen.
        wait_until(lambda: client.post("/v1/jobs", json=BODY).status_code == 202, "not accepted")
        valkey_server.freeze()
        answer = client.post("/v1/embed", json={"inputs": "text", "model": UNSERVED})
        valkey_server.thaw()
        assert answer.status_code == 503
        return "may or may not have accepted" in answer.text

    wait_until(is_late, "every submit is refused")
    wait_until(lambda: store.num_finished() == {(UNSERVED, "cancelled"): 1}, "the job goes on")
    store.client.close()


def test_who_loses_the_store_in_the_middle_hears_that_the_job_may_be_there(
    valkey_server: ValkeyServer, gateway: GatewayProcess, client: httpx.Client
) -> None:
    def is_lost() -> bool:
        wait_until(lambda: client.post("/v1/jobs", json=BODY).status_code == 202, "not accepted")
        valkey_server.freeze()
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(client.post, "/v1/jobs", json=BODY)
            time.sleep(0.2)  # most machines have sent it to the store by then
            valkey_server.kill()
            text = answer.result().text
        valkey_server.start()
        return "out of reach. It may or may not have accepted this" in text

    wait_until(is_lost, "every submit is refused before it is sent")


def _accepted(answer: httpx.Response) -> httpx.Response | None:
    return answer if answer.status_code == 202 else None


def test_broken_connections_are_replaced(valkey_server: ValkeyServer, gateway: GatewayProcess) -> None:
    store = store_of(valkey_server.url)
    job = httpx.post(f"{gateway.url}/v1/jobs", json=BODY).json()
    found: list[httpx.Response] = []
    waiter = threading.Thread(
        target=lambda: found.append(httpx.get(f"{gateway.url}/v1/jobs/{job['id']}?wait=20", timeout=PATIENCE_S))
    )
    waiter.start()
    for _ in range(5):
        store.client.client_kill_filter(_type="normal", skipme=True)
        store.client.client_kill_filter(_type="pubsub", skipme=True)
        assert httpx.post(f"{gateway.url}/v1/jobs", json=BODY).status_code == 202
        assert httpx.get(f"{gateway.url}/v1/jobs/{job['id']}").status_code == 200
    claim = store.claim(job["id"], "by hand")
    assert claim is not None and store.fail(claim, WorkerLost())
    waiter.join(PATIENCE_S)
    assert found[0].json()["status"] == "failed"
    store.client.close()


def test_a_gateway_starts_before_its_store(tmp_path: Path) -> None:
    valkey = ValkeyServer(tmp_path / "valkey")
    with running_gateway(valkey.url, tmp_path, ready=False) as gateway:
        assert httpx.get(f"{gateway.url}/livez").status_code == 200
        reasons = httpx.get(f"{gateway.url}/readyz").json()["reasons"]
        assert reasons == ["The job store is out of reach.", "No worker has announced a model yet."]
        in_time_s = TIMEOUTS_S + 20 * gateway.round_trip_s()
        seconds, answer = timed(lambda: httpx.post(f"{gateway.url}/v1/jobs", json=BODY))
        assert (answer.status_code, seconds < in_time_s) == (503, True)
        valkey.start()
        try:
            wait_until(lambda: len(httpx.get(f"{gateway.url}/readyz").json()["reasons"]) == 1, "no store")
            without = httpx.post(f"{gateway.url}/v1/embed", json={"inputs": "x"})
            assert (without.status_code, without.json()["error"]["code"]) == (503, "unavailable")
            announce(valkey.url)
            gateway.wait_until_ready()
            assert httpx.post(f"{gateway.url}/v1/jobs", json=BODY).status_code == 202
        finally:
            valkey.stop()


def test_a_full_store_takes_no_new_jobs_and_still_answers(tmp_path: Path) -> None:
    with running_valkey(tmp_path / "valkey", "--maxmemory", "12mb") as valkey:
        announce(valkey.url)
        with (
            running_gateway(valkey.url, tmp_path) as gateway,
            httpx.Client(base_url=gateway.url, timeout=PATIENCE_S) as client,
        ):
            body = {**BODY, "inputs": ["x" * 20_000] * 10}
            first = client.post("/v1/jobs", json=body).json()
            _wait_for_scripts(store_of(valkey.url))
            answers = [client.post("/v1/jobs", json=body) for _ in range(80)]
            refused = [answer for answer in answers if answer.status_code != 202]
            assert {answer.status_code for answer in refused} == {503}
            assert "full" in refused[-1].json()["error"]["message"] and "Retry-After" in refused[-1].headers
            wait_until(lambda: "nearly full" in client.get("/readyz").text, "not noticed")
            assert client.get(f"/v1/jobs/{first['id']}").json()["status"] == "queued"
            assert client.post(f"/v1/jobs/{first['id']}/cancel").json()["status"] == "cancelled"


def test_delivered_answers_make_room_before_anything_is_refused(tmp_path: Path) -> None:
    with running_valkey(tmp_path / "valkey", "--maxmemory", "12mb") as valkey:
        announce(valkey.url)
        store = store_of(valkey.url)
        used = partial(_memory_share, store)
        with (
            running_gateway(valkey.url, tmp_path) as gateway,
            httpx.Client(base_url=gateway.url, timeout=PATIENCE_S) as client,
        ):

            def answered_job() -> str:
                response = client.post("/v1/jobs", json=BODY)
                assert response.status_code == 202, response.text
                claim = store.claim(response.json()["id"], "by hand")
                assert claim and store.succeed(claim, answer_of(secrets.token_hex(32_000)))
                return claim.id

            unread = answered_job()
            most, num_over = 0.0, 0
            while num_over < 20:
                # A reaper looks once a second. A load that fills a tenth of the store in this time is refused.
                wait_until(lambda: used() < 0.85, "no room was made")
                store.mark_delivered([answered_job()], 300)
                most, num_over = max(most, used()), num_over + (used() > 0.8)
            assert most < 0.9
            assert client.get(f"/v1/jobs/{unread}").json()["status"] == "succeeded"


def _wait_for_scripts(store: JobStore) -> None:
    """Wait until all that gateways run each second is in the store: it takes a thirtieth of a small one."""
    num_scripts, since = 0, time.monotonic()

    def is_complete() -> bool:
        nonlocal num_scripts, since
        before, num_scripts = num_scripts, store.client.info("memory")["number_of_cached_scripts"]
        if num_scripts != before:
            since = time.monotonic()
        return time.monotonic() - since > 3.0

    wait_until(is_complete, "there are more scripts all the time")


def _memory_share(store: JobStore) -> float:
    memory = store.client.info("memory")
    return memory["used_memory"] / memory["maxmemory"]


def test_limits_of_queue_and_tenant_have_their_own_errors(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    announce(valkey_server.url)
    for setting, status, code in (("MAX_WAITING", 503, "queue_full"), ("MAX_ACTIVE", 429, "quota_exceeded")):
        settings = {f"TRIPTYCH_{setting}": "2"}
        with running_gateway(valkey_server.url, tmp_path, **settings) as gateway:
            answers = [httpx.post(f"{gateway.url}/v1/jobs", json=BODY) for _ in range(3)]
            assert (answers[-1].status_code, answers[-1].json()["error"]["code"]) == (status, code)
            assert "Retry-After" in answers[-1].headers
