"""Clients of the routes that answer with an output and not with a job: waiting, streaming, leaving."""

import secrets
from typing import Any

from tests.chaos.calls import Lost, Response, call, stream
from tests.chaos.catalogue import essence, same, text_of
from tests.chaos.client import LONG_TTL_S, Client
from tests.chaos.ledger import Entry

JOB_ID = "x-triptych-job-id"
PASSING = ("unavailable", "gateway_stopping")
"""Errors that end a stream whose job goes on."""


def task_route(client: Client) -> None:
    """Wait for an output. With a key the call is repeated until it is there; without, a lost call is a lost job."""
    entry, key = client.new_entry("task route"), secrets.token_hex(8) if client.random.random() < 0.7 else ""
    entry.may_go = not key
    body = entry.request.body(**({"ttl_s": LONG_TTL_S} if key else {}))
    response = _asked(client, entry, f"/v1/{entry.request.task}", body, key)
    if response is None:
        return
    entry.job_id = response.headers[JOB_ID]
    if response.status == 202:
        client.wait(entry)
    elif response.status == 200:
        entry.check_answer(response.data, "task route")
    else:
        entry.problem(f"task route: {response.status} {response.data}")


def chat(client: Client) -> None:
    """A chat completion, which is the same job as that of the task route."""
    entry, key = client.new_entry("chat", streamed=True), secrets.token_hex(8)
    entry.streamed, conversation = False, next(pair for pair in client.right if isinstance(pair[0].inputs, dict))
    entry.request, entry.expected = conversation
    limit = entry.request.parameters["max_new_tokens"]
    body = {"model": entry.request.model, **entry.request.inputs, "temperature": 0, "max_tokens": limit}
    response = _asked(client, entry, "/v1/chat/completions", body, key)
    if response is None:
        return
    entry.job_id = response.headers[JOB_ID]
    if response.status == 200:
        text = response.data["choices"][0]["message"]["content"]
        if [text] != entry.expected:
            entry.problem(f"chat: {text!r} instead of {entry.expected!r}")
    else:
        entry.problem(f"chat: {response.status} {response.data}")


def leave(client: Client) -> None:
    """Leave while the answer is computed: nobody has the job's id, and it is cancelled or ends."""
    entry = client.new_entry("leave")
    try:
        call(client.url(), "POST", f"/v1/{entry.request.task}", entry.request.body(), timeout_s=0.2)
    except Lost:
        client.ledger.count("clients that left")


def stream_route(client: Client) -> None:
    """Stream a text. A stream that breaks is asked for again with its key, from the beginning."""
    entry, key = client.new_entry("stream route", streamed=True), secrets.token_hex(8)
    body = entry.request.body(stream=True, ttl_s=LONG_TTL_S)
    is_whole = False
    while not is_whole:
        items: list[Any] = []
        try:
            with stream(client.url(), "POST", f"/v1/{entry.request.task}", body, Idempotency_Key=key) as answer:
                if not (answer.is_stream or answer.may_pass):
                    entry.problem(f"stream: {answer.status} {answer.data}")
                    return
                entry.job_id = answer.headers.get(JOB_ID, entry.job_id)
                for event in answer.data if answer.is_stream else ():
                    items.append(event.data)
        except Lost as error:
            entry.note(f"stream: {error}")
        is_whole = _is_whole(entry, items)
        if not is_whole:
            if items:
                client.ledger.count("streams asked for again")
            client.pause(f"stream: it broke after {items[-1:]!r:.150}", entry)


def _is_whole(entry: Entry, items: list[Any]) -> bool:
    """Check the items of one connection; return whether the stream came to its end."""
    text = "".join(item["token"]["text"] if "token" in item else item.get("text", "") for item in items)
    (right, *_) = entry.expected
    last = items[-1] if items else {}
    if not right.startswith(text) or last.get("error_type", "unavailable") not in PASSING:
        entry.problem(f"stream: {text!r:.300}, {last} instead of {right!r:.300}")
        return True
    output = (
        {"generated_text": last["generated_text"]} if last.get("generated_text") is not None else last.get("output")
    )
    if output is None:
        return False
    if text != right or not same(essence(output)[:1], [right]) or text_of(output) != right:
        entry.problem(f"stream: {text!r:.300} and {output!r:.300} instead of {right!r:.300}")
    entry.answered = True
    return True


def _asked(client: Client, entry: Entry, path: str, body: dict[str, Any], key: str) -> Response | None:
    """Return the response of a call that is repeated with its key; None if it was lost and has none."""
    headers = {"Idempotency_Key": key} if key else {}
    while True:
        try:
            response = call(client.url(), "POST", path, body, timeout_s=70, **headers)
            if not response.may_pass:
                return response
            client.pause(f"{path}: {response.status} {response.data}", entry)
        except Lost as error:
            if not key:
                client.ledger.count("requests lost in transit")
                return None
            client.pause(f"{path}: {error}", entry)
