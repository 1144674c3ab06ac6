"""What HTTP forbids is refused, and every response has the same lines of protection."""

import json
import socket

import httpx
import pytest

from tests.gateway.conftest import Stack
from tests.gateway.streams import read_until
from tests.support.waiting import PATIENCE_S

JOB = b'{"inputs": "x"}'
CHUNKED = b"f\r\n" + JOB + b"\r\n0\r\n\r\n"
POST = b"POST /v1/embed HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


def head_of(stack: Stack, sent: bytes) -> list[str]:
    """Send bytes on a connection of their own, and return the lines of the first response's head."""
    with socket.create_connection(("127.0.0.1", stack.gateway.port), timeout=PATIENCE_S) as connection:
        connection.sendall(sent)
        return read_until(connection, b"\r\n\r\n").partition(b"\r\n\r\n")[0].decode().split("\r\n")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /livez HTTP/1.1\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nhost: localhost\r\nHOST: evil.example\r\n\r\n", 400),
        (b"GET /livez HTTP/1.0\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /livez HTTP/1.0\r\n\r\n", 200),
        (b"GET /livez HTTP/1.1\r\nHost:\r\n\r\n", 200),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKED, 200),
        (POST + b"Transfer-Encoding: Chunked \r\n\r\n" + CHUNKED, 200),
        (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + CHUNKED, 501),
        (POST + b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKED, 501),
        (POST + b"Transfer-Encoding: identity, chunked\r\n\r\n" + CHUNKED, 501),
        (POST + b"Transfer-Encoding: ,chunked\r\n\r\n" + CHUNKED, 501),
        (POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n" + CHUNKED, 400),
    ],
)
def test_only_what_http_allows_is_served(stack: Stack, sent: bytes, status: int) -> None:
    assert head_of(stack, sent)[0].split()[1] == str(status)


@pytest.mark.parametrize("host", ["a_name-1.example.:", "EVIL.example:80", "[::FFFF:1.2.3.4]:1", "[fe80::1%eth0]"])
def test_a_host_is_a_name_or_an_address(stack: Stack, host: str) -> None:
    assert _status(stack, f"GET /livez HTTP/1.1\r\nHost: {host}\r\n\r\n") == 200


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:18480@evil.example", "user@localhost", "localhost:evil", "127.0.0.1:18480, evil.example", "a,b", "a b",
     "localhost:80:80", "localhost/x", "http://localhost", ":80", "::1", "[::1", "[::1]x", "[evil.example]",
     "local\u0131"],
)  # fmt: skip
def test_anything_else_is_no_host(stack: Stack, host: str) -> None:
    # A route that answers under every name, so this is not about the names of the gateway.
    assert _status(stack, f"GET /livez HTTP/1.1\r\nHost: {host}\r\n\r\n") == 400


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        ("http://evil.example/v1/models", "localhost", 421),
        ("HTTP://evil.example:80/v1/models", "127.0.0.1", 421),
        ("http://localhost:1/v1/models", "evil.example", 200),
        ("http://user@localhost/v1/models", "localhost", 400),
        ("http:///v1/models", "localhost", 400),
        ("http://localhost/v1/models", "localhost:evil", 400),
        ("/v1/models?x=http://evil.example/", "localhost", 200),
        ("//evil.example/v1/models", "localhost", 404),
    ],
)
def test_the_host_of_a_whole_url_counts(stack: Stack, target: str, host: str, status: int) -> None:
    assert _status(stack, f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n") == status


def test_it_counts_without_a_host_header_too(stack: Stack) -> None:
    assert _status(stack, "GET http://evil.example/v1/models HTTP/1.0\r\n\r\n") == 421


@pytest.mark.parametrize("protocol", ["websocket", "WebSocket", "h2c"])
def test_a_wish_for_another_protocol_is_ignored(stack: Stack, protocol: str) -> None:
    wish = f"Connection: Upgrade\r\nUpgrade: {protocol}\r\n"
    assert _status(stack, f"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n{wish}\r\n") == 200
    post = POST.decode() + f"{wish}Content-Length: {len(JOB)}\r\n\r\n"
    assert _status(stack, post + JOB.decode()) == 200


def _status(stack: Stack, sent: str) -> int:
    return int(head_of(stack, sent.encode())[0].split()[1])


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /docs HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"GET /livez HTTP/1.1\r\n\r\n",
        b"hello there\r\n\r\n",
        b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        POST + b"Content-Length: 10000000\r\n\r\n",
        POST + b"Content-Length: 2\r\n\r\n{}",
        POST + b"Content-Length: 15\r\n\r\n" + JOB,
    ],
)
def test_every_response_forbids_sniffing_and_names_no_server(stack: Stack, sent: bytes) -> None:
    names = [line.partition(":")[0].lower() for line in head_of(stack, sent)[1:]]
    assert names.count("x-content-type-options") == 1 and "server" not in names


def test_a_stream_does_too(http: httpx.Client) -> None:
    body = {"inputs": "hi", "model": "tiny-generator", "stream": True}
    with http.stream("POST", "/v1/generate", json=body) as answer:
        assert answer.headers["X-Content-Type-Options"] == "nosniff" and "Server" not in answer.headers


def test_a_refusal_says_what_was_expected(stack: Stack) -> None:
    with socket.create_connection(("127.0.0.1", stack.gateway.port), timeout=PATIENCE_S) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\n\r\n")
        body = read_until(connection, b"}}").partition(b"\r\n\r\n")[2]
    assert json.loads(body)["error"]["message"].startswith("Expected exactly one Host header")
