"""Clients of the routes of jobs: submit, read, wait, follow, cancel, delete, list."""

import secrets
import time

from tests.chaos.calls import ENDS
from tests.chaos.catalogue import Request
from tests.chaos.client import LONG_TTL_S, Client
from tests.chaos.follow import follow_to_the_end

BURST = 25


def poll(client: Client) -> None:
    entry = client.new_entry("poll")
    client.submit_kept(entry)
    client.wait(entry, "")


def long_poll(client: Client) -> None:
    entry = client.new_entry("long poll")
    client.submit_kept(entry)
    client.wait(entry)


def with_etag(client: Client) -> None:
    """Wait for each change, until there is none any more."""
    entry = client.new_entry("etag")
    client.submit_kept(entry)
    tag, job = "", {"status": ""}
    while job["status"] not in ENDS:
        response = client.read(entry, "?wait=5", **({"If_None_Match": tag} if tag else {}))
        if response.status == 200:
            tag, job = response.headers["etag"], response.data
        client.pause(f"etag {tag}", entry)
    entry.check_end(job, "etag")
    if client.read(entry, If_None_Match=tag).status != 304:
        entry.problem("it changed after its end")


def follow_events(client: Client) -> None:
    """Follow a job from the beginning, or only after a while."""
    entry = client.new_entry("events", streamed=client.random.random() < 0.7)
    client.submit_kept(entry)
    if client.random.random() < 0.3:
        time.sleep(client.random.uniform(0, 2))
    follow_to_the_end(client, entry)


def delivered_once(client: Client) -> None:
    """A job without key and ttl: it may go soon after its client has the answer, and not before."""
    entry = client.new_entry("delivered")
    entry.may_go = True
    client.submit(entry)
    client.wait(entry)


def hurry(client: Client) -> None:
    """A deadline that may pass."""
    entry = client.new_entry("hurry", ends="succeeded expired")
    client.submit_kept(entry, deadline_s=client.random.choice((1, 3, 8)))
    client.wait(entry)


def burst(client: Client) -> None:
    """Many jobs at once, so that jobs wait while faults happen."""
    entries = [client.new_entry("burst") for _ in range(BURST)]
    for entry in entries:
        client.submit_kept(entry)
    for entry in entries:
        client.wait(entry)


def cancel(client: Client) -> None:
    entry = client.new_entry("cancel", streamed=client.random.random() < 0.5, ends="succeeded cancelled")
    client.submit_kept(entry)
    time.sleep(client.random.choice((0, 0, 0.1, 0.5)))
    response = client.call(entry, "POST", f"/v1/jobs/{entry.job_id}/cancel")
    if response.status != 200:
        entry.problem(f"cancel: {response.status} {response.data}")
        return
    # From here on the job has been stopped, or had ended before.
    entry.note(f"cancelled: {response.data['status']}")
    entry.ends = {"succeeded"} if response.data["status"] == "succeeded" else {"cancelled"}
    client.wait(entry)


def delete(client: Client) -> None:
    entry = client.new_entry("delete", ends="succeeded cancelled")
    client.submit_kept(entry)
    if client.random.random() < 0.3:
        entry.ends = {"succeeded"}
        client.wait(entry)
    time.sleep(client.random.choice((0, 0.1, 0.5)))
    entry.deleted = True
    response = client.call(entry, "DELETE", f"/v1/jobs/{entry.job_id}")
    if response.status not in (204, 410):  # 410: an earlier try, whose reply was lost
        entry.problem(f"delete: {response.status} {response.data}")
    if (response := client.call(entry, "GET", f"/v1/jobs/{entry.job_id}")).status != 410:
        entry.problem(f"read after delete: {response.status} {response.data}")


def repeat(client: Client) -> None:
    """Send the same request several times with one key, and another request with it."""
    entry, key = client.new_entry("repeat"), secrets.token_hex(8)
    client.submit(entry, key=key, ttl_s=LONG_TTL_S)
    for _ in range(2):
        again = client.call(entry, "POST", "/v1/jobs", entry.request.job_body(ttl_s=LONG_TTL_S), Idempotency_Key=key)
        if again.status not in (200, 202) or again.data["id"] != entry.job_id:
            entry.problem(f"repeated: {again.status} {again.data}")
    other = client.call(entry, "POST", "/v1/jobs", Request("embed", key).job_body(), Idempotency_Key=key)
    if other.status != 422:
        entry.problem(f"another request with its key: {other.status} {other.data}")
    client.wait(entry)


def read_list(client: Client) -> None:
    """Read some pages of jobs."""
    path, ids = "/v1/jobs?limit=50", []
    for _ in range(3):
        response = client.call(None, "GET", path)
        if response.status != 200:
            client.ledger.problem(f"list: {response.status} {response.data}")
            return
        ids += [job["id"] for job in response.data["data"]]
        if not response.data["next_cursor"]:
            break
        path = f"/v1/jobs?limit=50&cursor={response.data['next_cursor']}"
    client.ledger.count("listings")
    if len(set(ids)) != len(ids):
        client.ledger.problem("a job is twice in one list")
