"""API keys and tenants: which requests need a key, and which jobs a tenant sees."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import pytest

from services.gateway.auth.api_keys import CACHE_S, ApiKeys
from tests.gateway.fakes.worker import EMBED, UNSERVED, announce, running_worker, store_of
from tests.gateway.gateway_process import GatewayProcess, environment, running_gateway
from tests.support.paths import ROOT
from tests.support.valkey import ValkeyServer, free_port, running_valkey
from tests.support.waiting import PATIENCE_S, wait_until

Keys = Callable[..., subprocess.CompletedProcess[str]]


def command(url: str, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run the gateway's command line."""
    return subprocess.run(
        [sys.executable, "-m", "services.gateway", *arguments],
        cwd=ROOT,
        env=environment(url, **settings),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    with running_valkey(tmp_path_factory.mktemp("keys") / "valkey") as server:
        announce(server.url)
        yield server


@pytest.fixture(scope="module")
def keys(valkey: ValkeyServer) -> dict[str, str]:
    """One key for each of two tenants."""
    return {name: command(valkey.url, "keys", "create", "--tenant", name).stdout.strip() for name in ("ann", "bob")}


@pytest.fixture(scope="module")
def gateway(
    valkey: ValkeyServer, keys: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("keys-gateway")
    with running_worker(valkey.url), running_gateway(valkey.url, folder) as gateway:
        yield gateway


def _client(gateway: GatewayProcess, key: str) -> httpx.Client:
    return httpx.Client(base_url=gateway.url, headers={"Authorization": f"Bearer {key}"}, timeout=PATIENCE_S)


def assert_refused_soon(client: httpx.Client) -> None:
    """Assert that a key which was just revoked is refused once the gateway's cache is over."""
    revoked = time.monotonic()

    def is_refused() -> bool:
        asked = time.monotonic()
        refused = client.get("/v1/jobs").status_code == 401
        assert refused or asked < revoked + CACHE_S, "a revoked key is taken"
        return refused

    wait_until(is_refused, "a revoked key is taken")


def test_a_key_is_needed_while_any_exists(gateway: GatewayProcess, keys: dict[str, str]) -> None:
    good = keys["ann"]
    _, key_id, _ = good.split("_", 2)
    wrong = ["", "Bearer", "Basic abc", "Bearer x", f"Bearer tt_{key_id}_{'A' * 43}", f"Bearer {good}x",
             f"Bearer tt_{'0' * 16}_{good[-43:]}", f"Bearer {good[:-1]}", f"bearer{good}"]  # fmt: skip
    answers = [httpx.get(f"{gateway.url}/v1/jobs", headers={"Authorization": header}) for header in wrong]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1
    assert answers[0].json()["error"]["code"] == "unauthorized"
    assert answers[0].headers["WWW-Authenticate"] == "Bearer"
    for headers in ({"Authorization": f"Bearer {good}"}, {"Authorization": f"bearer {good}"}, {"X-API-Key": good}):
        assert httpx.get(f"{gateway.url}/v1/jobs", headers=headers).status_code == 200


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/docs", "/openapi.json"])
def test_health_metrics_and_docs_need_no_key(gateway: GatewayProcess, path: str) -> None:
    assert httpx.get(gateway.url + path).status_code == 200


def test_every_other_route_needs_a_key(gateway: GatewayProcess) -> None:
    document = httpx.get(f"{gateway.url}/openapi.json").json()
    closed = [(method, path) for path, methods in document["paths"].items() for method, operation in methods.items()
              if operation["security"]]  # fmt: skip
    assert len(closed) >= 12
    # Where the key may be in the body, the body is read first; and these APIs say 403.
    in_body: dict[str, Any] = {"/translate": {"json": {}}, "/v2/check": {"data": {"x": "y"}}}
    for method, path in closed:
        url = gateway.url + path.replace("{job_id}", "A" * 22).replace("{model}", EMBED)
        answer = httpx.request(method, url, **in_body.get(path, {}))
        assert answer.status_code == (403 if path in in_body else 401), path


def test_a_tenant_sees_only_its_own_jobs(gateway: GatewayProcess, keys: dict[str, str]) -> None:
    with _client(gateway, keys["ann"]) as ann, _client(gateway, keys["bob"]) as bob:
        running = ann.post("/v1/jobs", json={"task": "embed", "inputs": "x", "model": UNSERVED}).json()["id"]
        ended = ann.post("/v1/embed", json={"inputs": "x"}).headers["X-Triptych-Job-Id"]
        deleted = ann.post("/v1/jobs", json={"task": "embed", "inputs": "x", "model": UNSERVED}).json()["id"]
        ann.delete(f"/v1/jobs/{deleted}")
        for job_id in (running, ended, deleted):
            path, unknown = f"/v1/jobs/{job_id}", f"/v1/jobs/{'B' * 22}"
            walk = [("GET", ""), ("GET", "?wait=5"), ("GET", "/events"), ("POST", "/cancel"), ("DELETE", "")]
            for method, tail in walk:
                theirs, nobodys = bob.request(method, path + tail), bob.request(method, unknown + tail)
                assert (
                    (theirs.status_code, theirs.content)
                    == (404, nobodys.content)
                    == (nobodys.status_code, theirs.content)
                )
        assert bob.get("/v1/jobs").json()["data"] == []
        assert {job["id"] for job in ann.get("/v1/jobs").json()["data"]} == {running, ended}
        assert ann.get(f"/v1/jobs/{running}").json()["status"] == "queued"


def test_idempotency_keys_belong_to_their_tenant(gateway: GatewayProcess, keys: dict[str, str]) -> None:
    body, headers = {"inputs": "x"}, {"Idempotency-Key": "shared"}
    with _client(gateway, keys["ann"]) as ann, _client(gateway, keys["bob"]) as bob:
        first, second = (client.post("/v1/embed", json=body, headers=headers) for client in (ann, bob))
    assert first.headers["X-Triptych-Job-Id"] != second.headers["X-Triptych-Job-Id"]
    assert second.headers["Idempotent-Replayed"] == "false"


def test_the_api_key_may_be_in_the_body(gateway: GatewayProcess, keys: dict[str, str]) -> None:
    ann, bob = keys["ann"], keys["bob"]
    calls: list[tuple[str, str, str, dict[str, str]]] = [
        ("/translate", "json", "api_key", {"q": "One.", "source": "en", "target": "de"}),
        ("/translate", "data", "api_key", {"q": "One.", "source": "en", "target": "de"}),
        ("/v2/check", "data", "apiKey", {"text": "teh", "language": "en"}),
    ]
    with _client(gateway, ann) as theirs, httpx.Client(base_url=gateway.url) as nobody:
        for path, kind, field, body in calls:
            options: dict[str, Any] = {kind: {**body, field: ann}}
            job_id = nobody.post(path, **options).headers["X-Triptych-Job-Id"]
            assert theirs.get(f"/v1/jobs/{job_id}").status_code == 200
            # A header counts before it.
            options = {kind: {**body, field: bob}}
            job_id = theirs.post(path, **options).headers["X-Triptych-Job-Id"]
            assert theirs.get(f"/v1/jobs/{job_id}").status_code == 200
            for wrong in ("", "x", f"{ann}x"):
                options = {kind: {**body, field: wrong}}
                answer = nobody.post(path, **options)
                assert answer.status_code == 403 and f"send it as {field}" in answer.text
                assert "WWW-Authenticate" not in answer.headers
        for path in ("/languages", "/v2/languages"):
            assert nobody.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/translate", "/v2/check"])
def test_only_a_short_body_may_carry_the_key(gateway: GatewayProcess, keys: dict[str, str], path: str) -> None:
    """Nobody may make the gateway read and parse megabytes before it knows a key."""
    key_field, text_field = ("api_key", "q") if path == "/translate" else ("apiKey", "text")
    form = {text_field: "One. " * 20_000, "source": "en", "target": "de"}
    if path == "/v2/check":
        form = {text_field: "One. " * 20_000, "language": "en"}
    with httpx.Client(base_url=gateway.url, timeout=PATIENCE_S) as client:
        refused = client.post(path, data=form | {key_field: keys["ann"]})
        assert refused.status_code == 403, refused.text
        assert "65536 bytes" in refused.text and "Authorization: Bearer" in refused.text
        chunks = iter([b"q=", b"x" * 70_000])
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        assert client.post(path, content=chunks, headers=headers).status_code == 403
        wrong = client.post(path, data=form, headers={"Authorization": "Bearer tt_0_0"})
        assert wrong.status_code == 403
        assert client.get("/livez").status_code == 200, "the connection is still good"
    with _client(gateway, keys["ann"]) as client:
        assert client.post(path, data=form).status_code == 200


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/embed", "/v1/chat/completions", "/v1/embeddings", "/v1/completions"])
def test_no_other_route_waits_for_a_body_before_it_knows_the_key(gateway: GatewayProcess, path: str) -> None:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 8000000\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=PATIENCE_S) as connection:
        connection.sendall(head.encode())  # and nothing of the body
        assert connection.recv(100).startswith(b"HTTP/1.1 401")


def test_no_secret_is_stored_or_logged(valkey: ValkeyServer, gateway: GatewayProcess, keys: dict[str, str]) -> None:
    httpx.get(f"{gateway.url}/v1/jobs", headers={"Authorization": f"Bearer {keys['ann']}"})
    store = store_of(valkey.url)
    stored = b"".join(store.client.hgetall("triptych:api_keys").values())
    store.client.close()
    for key in keys.values():
        secret = key.split("_", 2)[2]
        assert secret.encode() not in stored
        assert secret not in gateway.log.read_text()
        assert secret.encode() not in (valkey.folder / "valkey.log").read_bytes()


def test_keys_are_created_listed_and_revoked(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    url = valkey_server.url
    announce(url)
    with running_gateway(url, tmp_path) as gateway:
        assert httpx.get(f"{gateway.url}/v1/jobs").status_code == 200, "open while there are no keys"
        made = command(url, "keys", "create", "--tenant", "acme", "--name", "ci")
        key = made.stdout.strip()
        assert made.returncode == 0 and key.startswith("tt_") and "not shown again" in made.stderr
        with _client(gateway, key) as client:
            wait_until(lambda: httpx.get(f"{gateway.url}/v1/jobs").status_code == 401, "still open")
            assert client.get("/v1/jobs").status_code == 200
            listed = command(url, "keys", "list").stdout
            key_id = key.split("_")[1]
            assert key_id in listed and "acme" in listed and "ci" in listed and key.split("_", 2)[2] not in listed
            command(url, "keys", "create", "--tenant", "other")
            assert command(url, "keys", "revoke", key_id).returncode == 0
            assert_refused_soon(client)
    assert command(url, "keys", "revoke", key_id).returncode == 1


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["keys", "create", "--tenant", "a b"], 2, "--tenant"),
        (["keys", "create"], 2, "--tenant"),
        (["keys"], 2, "ACTION"),
        (["fly"], 2, "fly"),
        (["--help"], 0, "keys create --tenant"),
    ],
)
def test_the_command_line_says_what_is_wrong(valkey: ValkeyServer, arguments: list[str], code: int, says: str) -> None:
    found = command(valkey.url, *arguments)
    assert (found.returncode, says in found.stdout + found.stderr) == (code, True), found.stderr
    assert "Traceback" not in found.stderr


def test_keys_without_a_store_end_with_one_line() -> None:
    found = command(f"redis://127.0.0.1:{free_port()}/0", "keys", "list")
    assert found.returncode == 1
    assert found.stderr.startswith("error: The job store") and found.stderr.count("\n") == 1
    assert "deploy.local" not in found.stderr, "somebody chose this store"


@pytest.mark.parametrize("words", ["keys list", "models default embed"])
def test_without_a_store_the_command_for_the_local_stack_is_named(words: str) -> None:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", 6379)) == 0:
            pytest.skip("a store runs where the default URL says")
    variables = environment("")
    del variables["TRIPTYCH_REDIS_URL"]
    found = subprocess.run(
        [sys.executable, "-m", "services.gateway", *words.split()],
        cwd=ROOT, env=variables, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert found.returncode == 1 and found.stderr.count("\n") == 1
    assert found.stderr.endswith(f": {sys.executable} -m deploy.local gateway {words}\n")


def test_a_public_address_is_refused_without_keys(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    url = valkey_server.url
    announce(url)
    refused = command(url, TRIPTYCH_HOST="0.0.0.0", TRIPTYCH_PORT=str(free_port()))
    assert refused.returncode == 2
    assert "TRIPTYCH_ALLOW_OPEN=1" in refused.stderr and refused.stderr.count("\n") == 1
    assert f"Create one: '{sys.executable} -m services.gateway keys create --tenant NAME'" in refused.stderr
    with running_gateway(url, tmp_path, TRIPTYCH_HOST="0.0.0.0", TRIPTYCH_ALLOW_OPEN="1") as gateway:
        assert httpx.get(f"{gateway.url}/v1/jobs").status_code == 200
    key = command(url, "keys", "create", "--tenant", "acme").stdout.strip()
    with running_gateway(url, tmp_path, TRIPTYCH_HOST="0.0.0.0") as gateway, _client(gateway, key) as client:
        assert client.get("/v1/jobs").status_code == 200
        command(url, "keys", "revoke", key.split("_")[1])
        assert_refused_soon(client)
        assert httpx.get(f"{gateway.url}/v1/jobs").status_code == 401, "the last key is gone, and it is open"


@pytest.fixture
def wrong_keys(valkey: ValkeyServer) -> Iterator[tuple[ApiKeys, str, str, str]]:
    """API keys in the store, one that is valid, one with its id and a wrong secret, and one with an unknown id."""
    store = store_of(valkey.url)
    api_keys = ApiKeys(store.client)
    key = api_keys.create("timing")
    yield api_keys, key, key[:-43] + "A" * 43, "tt_" + "0" * 16 + "_" + "A" * 43
    stored = json.loads(store.client.hget("triptych:api_keys", key.split("_")[1]))
    rates = {"requests_per_minute", "work_per_minute"}
    assert set(stored) == {"sha256", "tenant", "created_at", "name", "admin", *rates}
    api_keys.revoke(key.split("_")[1])
    store.client.close()


def test_unknown_ids_and_wrong_secrets_cost_the_same_reads(
    valkey: ValkeyServer, wrong_keys: tuple[ApiKeys, str, str, str]
) -> None:
    api_keys, right, wrong, unknown = wrong_keys
    store = store_of(valkey.url)

    def num_reads(presented: str) -> int:
        store.client.config_resetstat()
        for _ in range(10):
            # Its owner uses the key meanwhile.
            assert api_keys.tenant_of(right) == "timing"
            assert api_keys.tenant_of(presented) is None
        return int(store.client.info("commandstats").get("cmdstat_hget", {"calls": 0})["calls"])

    assert api_keys.tenant_of(right) == "timing"
    counts = {name: num_reads(one) for name, one in (("wrong", wrong), ("unknown", unknown))}
    store.client.close()
    assert counts == {"wrong": 10, "unknown": 10}


def test_unknown_ids_and_wrong_secrets_take_the_same_time(wrong_keys: tuple[ApiKeys, str, str, str]) -> None:
    api_keys, right, wrong, unknown = wrong_keys

    def seconds(presented: str) -> float:
        assert api_keys.tenant_of(right) == "timing"  # its owner uses the key meanwhile
        started = time.perf_counter()
        assert api_keys.tenant_of(presented) is None
        return time.perf_counter() - started

    # In turns, so that both meet the same machine, and compared in pairs: on a busy machine some of the calls wait many
    # times as long for a processor as they take, and a median of either would tell whether half of them did.
    ratios = [seconds(wrong) / seconds(unknown) for _ in range(200)]
    ratios += [1 / (seconds(unknown) / seconds(wrong)) for _ in range(200)]
    # What remains is the reply of the store, which is 150 bytes longer.
    assert 0.6 < median(ratios) < 1.6


def test_a_tenant_at_its_limit_takes_no_streams_from_others(
    valkey: ValkeyServer, keys: dict[str, str], tmp_path: Path
) -> None:
    limits = {"TRIPTYCH_MAX_TENANT_STREAMS": "2", "TRIPTYCH_MAX_STREAMS": "3", "TRIPTYCH_GATEWAY_PROCESSES": "2"}
    body = {"task": "embed", "inputs": "x", "model": UNSERVED}
    with ExitStack() as stack:
        gateway = stack.enter_context(running_gateway(valkey.url, tmp_path, **limits))
        ann, bob = (stack.enter_context(_client(gateway, keys[name])) for name in ("ann", "bob"))
        streams = stack.enter_context(ExitStack())

        def stream(client: httpx.Client) -> httpx.Response:
            job_id = client.post("/v1/jobs", json=body).json()["id"]
            response = streams.enter_context(client.stream("GET", f"/v1/jobs/{job_id}/events"))
            if response.status_code != 200:
                response.read()
            return response

        assert [stream(ann).status_code for _ in range(2)] == [200, 200]
        refused = stream(ann)
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "stream_quota_exceeded")
        assert "2 event streams" in refused.json()["error"]["message"] and refused.headers["Retry-After"] == "5"
        assert stream(bob).status_code == 200
        full = stream(bob)
        assert (full.status_code, full.json()["error"]["code"]) == (503, "too_many_streams")
        streams.close()
        # A stream that was closed makes room for another one.
        wait_until(lambda: stream(ann).status_code == 200, "streams that are closed still count")
