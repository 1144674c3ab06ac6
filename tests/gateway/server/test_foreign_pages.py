"""A browser page of another site can use no gateway that needs no keys: not by DNS rebinding, and not by a form."""

import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from services.gateway.auth.api_keys import ApiKeys
from tests.gateway.conftest import Stack
from tests.gateway.fakes.worker import EMBED, UNSERVED, announce, store_of
from tests.gateway.gateway_process import GatewayProcess, environment, running_gateway
from tests.support.paths import ROOT
from tests.support.processes import end_process
from tests.support.valkey import ValkeyServer, free_port
from tests.support.waiting import PATIENCE_S, wait_until

EVIL = {"Host": "evil.example"}
FORM = {"q": "two words", "source": "en", "target": "fr"}
PROBES = ("/livez", "/readyz", "/metrics")


def test_a_foreign_name_is_refused_on_every_route_but_those_of_probes(stack: Stack, http: httpx.Client) -> None:
    paths = http.get("/openapi.json").json()["paths"]
    for path, methods in paths.items():
        for method, operation in methods.items():
            answer = http.request(method, path.replace("{job_id}", "A" * 22).replace("{model}", EMBED), headers=EVIL)
            if path in PROBES:
                assert answer.status_code == 200 and "421" not in operation["responses"], path
            else:
                assert (answer.status_code, "421" in operation["responses"]) == (421, True), path
                assert "TRIPTYCH_ALLOWED_HOSTS" in answer.text and "evil.example" in answer.text
    assert http.get("/no/such/path", headers=EVIL).status_code == 421


def test_a_page_that_rebinds_its_name_submits_nothing(stack: Stack, http: httpx.Client) -> None:
    page = {**EVIL, "Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"}
    job = http.post("/v1/jobs", json={"task": "embed", "inputs": "x", "model": UNSERVED}, headers=page)
    assert (job.status_code, job.json()["error"]["code"]) == (421, "unknown_host")
    assert set(http.post("/translate", data=FORM, headers=page).json()) == {"error"}
    assert http.post("/v2/check", data={"text": "x", "language": "en"}, headers=page).text.startswith("Error: ")


def test_names_of_this_machine_are_known(stack: Stack, http: httpx.Client) -> None:
    for host in ("localhost", "127.0.0.1:1234", "[::1]:80", "app.localhost"):
        assert http.get("/v1/models", headers={"Host": host}).status_code == 200, host


def test_the_setting_adds_names_and_keys_make_it_needless(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    announce(valkey_server.url)
    settings = {"TRIPTYCH_ALLOWED_HOSTS": "gateway", "TRIPTYCH_HOST": "0.0.0.0", "TRIPTYCH_ALLOW_OPEN": "1"}
    store = store_of(valkey_server.url)
    with running_gateway(valkey_server.url, tmp_path, **settings) as gateway:
        for host, status in (("gateway:8080", 200), ("127.0.0.1", 200), ("10.1.2.3", 200), ("evil.example", 421)):
            assert httpx.get(f"{gateway.url}/v1/models", headers={"Host": host}).status_code == status, host
        key = ApiKeys(store.client).create("acme", "")
        authorized = {**EVIL, "Authorization": f"Bearer {key}"}
        for headers, status in ((authorized, 200), (EVIL, 401)):
            wait_until(lambda: _status(gateway, headers) == status, "the key is not noticed")  # noqa: B023
    store.client.close()


def _status(gateway: GatewayProcess, headers: dict[str, str]) -> int:
    return httpx.get(f"{gateway.url}/v1/models", headers=headers, timeout=PATIENCE_S).status_code


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_form_without_origin_is_refused_by_its_site(http: httpx.Client, site: str) -> None:
    for path, form in (("/translate", FORM), ("/v2/check", {"text": "x", "language": "en"})):
        answer = http.post(path, data=form, headers={"Sec-Fetch-Site": site})
        assert answer.status_code == 403 and "other sites" in answer.text


@pytest.mark.parametrize(
    "headers",
    [{}, {"Sec-Fetch-Site": "none"}, {"Sec-Fetch-Site": "same-origin"},
     {"Sec-Fetch-Site": "cross-site", "Origin": "moz-extension://abc"}],
)  # fmt: skip
def test_programs_own_pages_and_extensions_may_send_forms(http: httpx.Client, headers: dict[str, str]) -> None:
    assert http.post("/translate", data=FORM, headers=headers).status_code == 200


def test_no_other_request_without_consent_changes_anything(http: httpx.Client) -> None:
    """A page may send GET, and POST with one of three types or without a body."""
    job = http.post("/v1/jobs", json={"task": "embed", "inputs": "x", "model": UNSERVED}).json()
    for foreign in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"}):
        cancel = http.post(job["urls"]["cancel"], headers=foreign)
        assert (cancel.status_code, cancel.json()["error"]["code"]) == (403, "foreign_page")
    assert http.get(job["urls"]["cancel"]).status_code == 405
    body = b'{"task": "embed", "inputs": "x"}'
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", None):
        headers = {"Content-Type": kind} if kind else {}
        for path in ("/v1/jobs", "/v1/embed", "/v1/embeddings", "/v1/chat/completions", "/v1/completions"):
            assert http.post(path, content=body, headers=headers).status_code == 415, (path, kind)
    # A page that wants to send JSON asks first, and gets no consent.
    asking = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    asked = http.options("/v1/jobs", headers=asking)
    assert asked.status_code == 405 and "Access-Control-Allow-Origin" not in asked.headers
    assert http.get(job["urls"]["self"]).json()["status"] == "queued"
    assert http.post(job["urls"]["cancel"]).json()["status"] == "cancelled"


def test_an_address_of_ipv6_may_be_given_with_brackets(stack: Stack) -> None:
    port = free_port()
    try:
        with socket.create_server(("::1", port), family=socket.AF_INET6):
            pass
    except OSError as error:
        pytest.skip(f"no IPv6 on this machine: {error}")
    env = environment(stack.valkey.url, TRIPTYCH_HOST="[::1]", TRIPTYCH_PORT=str(port))
    with subprocess.Popen([sys.executable, "-m", "services.gateway"], cwd=ROOT, env=env) as gateway:
        try:
            url = f"http://[::1]:{port}"
            wait_until(lambda: gateway.poll() is not None or _answers(url), "no gateway")
            assert httpx.get(f"{url}/v1/models").status_code == 200
        finally:
            end_process(gateway)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/livez").status_code == 200
    except httpx.TransportError:
        return False
