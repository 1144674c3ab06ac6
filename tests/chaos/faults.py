"""The faults of the run: what is done to which process, chosen at random from one seed."""

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from itertools import chain
from typing import NamedTuple

import redis

from tests.chaos.stack import Member, Stack
from tests.support.waiting import PATIENCE_S

MEAN_PAUSE_S = 2.5
MIN_FREEZE_S, MAX_FREEZE_S = 1.0, 20.0
MAX_STEP_S = 1200
CLOCKS_S = (-MAX_STEP_S, 0, MAX_STEP_S)
"""By how much the store's clock may differ from the machine's."""


class Happened(NamedTuple):
    """A fault that was done."""

    at: float
    kind: str
    target: str
    seconds: float


class Faults(threading.Thread):
    """Does one fault after another until ``stop``; those that last run beside the next ones."""

    def __init__(self, stack: Stack, seed: int, submit_poison: Callable[[], None]) -> None:
        super().__init__(name="faults", daemon=True)
        self.happened: list[Happened] = []
        self._stack = stack
        self._random = random.Random(f"faults {seed}")
        self._submit_poison = submit_poison
        self._stopping = threading.Event()
        self._lasting: list[threading.Thread] = []
        self._kinds: list[tuple[str, Callable[[], None], int]] = [
            ("kill a worker", lambda: self._kill(self._worker(), all_of_it=False), 4),
            ("kill a worker and its heartbeat", lambda: self._kill(self._worker(), all_of_it=True), 3),
            ("kill a heartbeat", lambda: self._kill_child(self._worker()), 2),
            ("terminate a worker", lambda: self._terminate(self._worker()), 3),
            ("freeze a worker", lambda: self._freeze(self._worker(), all_of_it=False), 2),
            ("freeze a worker and its heartbeat", lambda: self._freeze(self._worker(), all_of_it=True), 2),
            ("kill a gateway", lambda: self._kill(self._gateway(), all_of_it=True), 2),
            ("kill a process of a gateway", lambda: self._kill_child(self._gateway()), 3),
            ("terminate a gateway", lambda: self._terminate(self._gateway()), 2),
            ("freeze a gateway", lambda: self._freeze(self._gateway(), all_of_it=True), 2),
            ("kill the store", self._kill_store, 2),
            ("freeze the store", self._freeze_store, 2),
            ("cut connections", lambda: self._cut("normal"), 2),
            ("cut subscriptions", lambda: self._cut("pubsub"), 2),
            ("lose messages", self._lose_messages, 2),
            ("fill the store", self._fill_store, 2),
            ("set the store's clock", self._set_clock, 2),
            ("poison", self._poison, 2),
        ]

    def run(self) -> None:
        kinds, weights = [kind for *kind, _ in self._kinds], [weight for *_, weight in self._kinds]
        while not self._stopping.wait(min(4 * MEAN_PAUSE_S, self._random.expovariate(1 / MEAN_PAUSE_S))):
            self._kind, fault = self._random.choices(kinds, weights)[0]
            with suppress(redis.RedisError):  # the store is away, which is a fault of its own
                fault()

    def stop(self) -> None:
        """Do no more faults, and undo those that last."""
        self._stopping.set()
        self.join(PATIENCE_S)
        for thread in self._lasting:
            thread.join(PATIENCE_S)

    def end_with_a_bang(self) -> None:
        """Kill all workers, and lose all messages: nothing but the reapers tells those that follow of what waits."""
        self._kind = "kill all workers"
        for worker in self._stack.workers:
            self._kill(worker, all_of_it=True)
        self._kind = "lose messages"
        # It must happen, and the store may just have come back.
        self._lose_messages(PATIENCE_S)

    @property
    def by_kind(self) -> Counter[str]:
        """How many faults of each kind have happened."""
        return Counter(happened.kind for happened in self.happened)

    def _note(self, target: str, seconds: float = 0.0) -> None:
        self.happened.append(Happened(time.time(), self._kind, target, seconds))

    def _worker(self) -> Member:
        return self._random.choice(self._stack.workers)

    def _gateway(self) -> Member:
        return self._random.choice(self._stack.gateways)

    def _kill(self, member: Member, *, all_of_it: bool) -> None:
        if member.alive():
            self._note(member.name)
            (member.send_all if all_of_it else member.send)(signal.SIGKILL)

    def _kill_child(self, member: Member) -> None:
        children = member.children() if member.alive() else []
        if children:
            self._note(member.name)
            with suppress(ProcessLookupError):
                os.kill(self._random.choice(children), signal.SIGKILL)

    def _terminate(self, member: Member) -> None:
        if member.alive():
            self._note(member.name)
            member.send(signal.SIGTERM)

    def _freeze(self, member: Member, *, all_of_it: bool) -> None:
        """Freeze a process for a while; nothing else freezes it meanwhile, but it may be killed."""
        if member.alive() and member.busy.acquire(blocking=False):
            # By its id now: it may be another process when it is thawed.
            send, target = os.killpg if all_of_it else os.kill, member.pid
            seconds = self._note_freeze(member.name)

            def signal_it(number: signal.Signals) -> None:
                with suppress(ProcessLookupError):
                    send(target, number)

            signal_it(signal.SIGSTOP)
            self._later(seconds, lambda: signal_it(signal.SIGCONT), member.busy)

    def _kill_store(self) -> None:
        if self._stack.store_busy.acquire(blocking=False):
            seconds = self._random.uniform(0, 3)
            self._note("store", seconds)
            self._stack.store.kill()
            self._later(seconds, self._stack.store.start, self._stack.store_busy)

    def _freeze_store(self) -> None:
        if self._stack.store_busy.acquire(blocking=False):
            seconds = self._note_freeze("store")
            self._stack.store.freeze()
            self._later(seconds, self._stack.store.thaw, self._stack.store_busy)

    def _cut(self, kind: str) -> None:
        with self._operator() as operator:
            operator.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
        self._note("store")

    def _lose_messages(self, timeout_s: float = 1) -> None:
        """Delete the messages of all queues, as a worker that dies with them in its socket does."""
        with self._operator(timeout_s) as operator:
            operator.delete(*chain(["triptych."], operator.scan_iter("triptych.*", count=1000)))
        self._note("store")

    def _fill_store(self) -> None:
        """Let the store have no memory left for a while."""
        with self._operator() as operator:
            operator.config_set("maxmemory", operator.info("memory")["used_memory"])
        seconds = self._random.uniform(1, 5)
        self._note("store", seconds)
        self._later(seconds, self._empty_store)

    def _empty_store(self) -> None:
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            with suppress(redis.RedisError), self._operator() as operator:
                operator.config_set("maxmemory", 0)
                return
            time.sleep(0.2)  # it is away, which is another fault

    def _set_clock(self) -> None:
        """Set the store's clock by some time, forward or back."""
        if self._stack.clock is not None:
            step_s = self._random.choice(CLOCKS_S)
            self._note("store", step_s)
            self._stack.clock.set(step_s)

    def _poison(self) -> None:
        self._note("encoder")
        self._submit_poison()

    def _operator(self, timeout_s: float = 1) -> redis.Redis:
        return redis.Redis(port=self._stack.store.port, socket_timeout=timeout_s, socket_connect_timeout=timeout_s)

    def _note_freeze(self, target: str) -> float:
        seconds = self._random.uniform(MIN_FREEZE_S, MAX_FREEZE_S)
        self._note(target, seconds)
        return seconds

    def _later(self, seconds: float, undo: Callable[[], None], busy: "threading.Lock | None" = None) -> None:
        def wait_and_undo() -> None:
            self._stopping.wait(seconds)
            undo()
            if busy:
                busy.release()

        thread = threading.Thread(target=wait_and_undo, daemon=True)
        self._lasting.append(thread)
        thread.start()
