"""One run: right answers without faults, then minutes of load with faults, then the checks."""

import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from tests.chaos.behaviours import BEHAVIOURS
from tests.chaos.calls import call
from tests.chaos.catalogue import Request, catalogue, essence, poison, same
from tests.chaos.checks import check_everything
from tests.chaos.client import LONG_TTL_S, Client, GiveUp
from tests.chaos.faults import Faults
from tests.chaos.ledger import Entry, Ledger
from tests.chaos.report import details, fault_log, summary
from tests.chaos.stack import Stack

NUM_CLIENTS = 14
PATIENCE_S = 240.0
"""After the last fault, for everything that was accepted to end."""


class Result(NamedTuple):
    """What a run has found."""

    is_right: bool
    report: str
    details: str


def run(length_s: float, seed: int, folder: Path, say: Callable[[str], None] = print) -> Result:
    """Run chaos for some seconds. ``folder`` gets the logs of all processes, and the store's data."""
    ledger = Ledger()
    with Stack(folder, seed) as stack:
        stack.wait_until_ready()
        right = _right_answers(stack)
        say(f"the stack is ready, {len(right)} right answers are known; chaos begins, seed {seed}")
        faults = _chaos(stack, ledger, right, length_s, seed, say)
        (folder / "faults.txt").write_text(fault_log(faults))
        stack.wait_until_ready()
        _compare_again(stack, ledger, right)
        check_everything(stack, ledger)
        is_right = not ledger.problems and not any(entry.problems for entry in ledger.entries)
        found = "" if is_right else details(ledger, faults, stack)
    return Result(is_right, summary(ledger, faults, seed, length_s), found)


def _chaos(
    stack: Stack,
    ledger: Ledger,
    right: list[tuple[Request, Any]],
    length_s: float,
    seed: int,
    say: Callable[[str], None],
) -> Faults:
    """Let clients and faults loose; return when the faults are over and all clients have their answers."""
    clients = [Client(f"client {n}", seed, stack.urls, ledger, right, BEHAVIOURS) for n in range(NUM_CLIENTS)]
    poisoners: list[threading.Thread] = []

    def submit_poison() -> None:
        poisoner = _Poisoner(f"poison {len(poisoners)}", seed, stack.urls, ledger, right, {})
        poisoners.append(poisoner)
        clients.append(poisoner)
        poisoner.start()

    faults = Faults(stack, seed, submit_poison)
    for thread in (*clients, faults):
        thread.start()
    started = time.monotonic()
    while (left_s := started + length_s - time.monotonic()) > 0:
        time.sleep(min(30, left_s))
        say(f"{time.monotonic() - started:5.0f} s: {len(ledger.accepted)} jobs, {len(faults.happened)} faults")
    faults.stop()
    give_up_at = time.monotonic() + PATIENCE_S
    for client in clients:
        client.stop()
        client.give_up_at = give_up_at
    faults.end_with_a_bang()
    for client in clients:
        client.join(max(1.0, give_up_at + 60 - time.monotonic()))
        if client.is_alive():
            ledger.problem(f"{client.name} does not end")
    return faults


class _Poisoner(Client):
    """Submits one job that ends its worker each time that it runs. It must fail, and nothing else with it."""

    def run(self) -> None:
        entry = Entry(poison(self.random.randrange(10**6)), None, "poison", {"failed"})
        self.ledger.add(entry)
        try:
            self.submit(entry, key=secrets.token_hex(8), ttl_s=LONG_TTL_S)
            job = self.wait(entry)
        except GiveUp as error:
            self.ledger.problem(f"{self.name} gave up: {error}")
            return
        if (job["error"] or {}).get("code") != "worker_lost":
            entry.problem(f"it failed by {job['error']}")


def _right_answers(stack: Stack) -> list[tuple[Request, Any]]:
    return [(request, _answer(stack.urls[0], request)) for request in catalogue()]


def _answer(url: str, request: Request) -> Any:
    response = call(url, "POST", f"/v1/{request.task}", request.body(ttl_s=60), timeout_s=120)
    assert response.status == 200, response
    return essence(response.data)


def _compare_again(stack: Stack, ledger: Ledger, right: list[tuple[Request, Any]]) -> None:
    """Ask all questions once more: the stack works as before."""
    for request, expected in right:
        answer = _answer(stack.urls[1], request)
        if not same(answer, expected):
            ledger.problem(f"after the faults, {request} is answered by {answer!r:.300} instead of {expected!r:.300}")
