"""The reaper: a thread in every gateway process and every worker that recovers jobs which no worker takes care of.

Each second it takes jobs back from dead workers, expires jobs that are past their deadline, even while no worker is
alive, forgets answers whose time is over, posts the ledger, and replaces messages that were lost. There is no leader
and no lock: many reapers may run at once, because each step is one Lua script.
"""

import logging
import secrets
import threading
import time

import redis

from contracts.settings import StoreSettings
from contracts.store.clock import StoreClock
from contracts.store.keys import PREFIX
from contracts.store.problems import StoreProblem, problem_of
from contracts.store.redis_client import reads
from contracts.store.scripts import load_script

logger = logging.getLogger(__name__)
# A job past its deadline must end within two seconds (docs/architecture/01-job-record.md).
PERIOD_S = 1.0
MAX_JOBS_PER_CALL = 24
"""The store serves nobody else while a script runs, and the dearest job takes 18 calls. Thousands may be due."""
MAX_PASS_S = 5.0
"""Then messages that were lost are replaced, and the next pass goes on, or another reaper's."""
MAX_QUEUES_PER_CALL = 60
MAX_POSTED = 40
"""Entries of the ledger that one call posts."""
MAX_CHECKED = 16
"""Jobs that count as running, of which one pass looks whether they do."""
MAX_RECOUNTED = 80
"""Records of a tenant, of whom one pass looks whether what it holds and its unfinished jobs are counted right."""
MAX_EVICTING_CALLS = 100
"""Of one pass, so that deadlines are not late."""
MAX_MEMORY_SHARE = 0.8
"""Of the store's memory. Above it, delivered answers are forgotten before their time."""


class Reaper:
    """Reaps once a second from ``start`` to ``stop``."""

    def __init__(self, client: "redis.Redis", settings: StoreSettings) -> None:
        self._client = client
        self._lease_s = settings.lease_s
        self._max_crashes = settings.max_crashes
        self._name = secrets.token_hex(8)
        self._clock = StoreClock(client)
        self._reap = load_script(client, "reap")
        self._wake_queues = load_script(client, "wake_queues")
        self._evict = load_script(client, "evict")
        self._post_ledger = load_script(client, "post_ledger")
        self._heal_running = load_script(client, "heal_running")
        self._heal_counts = load_script(client, "heal_counts")
        self._stopping = threading.Event()
        # A daemon, and never joined: Redis completes a script that it has begun, whether or not this process ends.
        self._thread = threading.Thread(target=self._loop, name="reaper", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the current call."""
        self._stopping.set()

    def reap(self) -> tuple[int, int]:
        """Do what is due; return how many jobs came from dead workers, and how many messages were replaced.

        Raises:
            redis.RedisError: the store is out of reach.
        """
        total_taken = self._reap_due()
        self._make_room()
        self._heal_running(args=[MAX_CHECKED])
        self._heal_counts(args=[MAX_RECOUNTED])
        self.post_ledger()
        return total_taken, self._replace_messages()

    def _reap_due(self) -> int:
        total_taken, more, ends_at = 0, 1, time.monotonic() + MAX_PASS_S
        while more and time.monotonic() < ends_at and not self._stopping.is_set():
            # Before each call: by a clock that was set, everything might be due.
            now = self._clock.check()
            began = time.monotonic()
            reply = now and self._reap(
                args=[self._name, MAX_JOBS_PER_CALL, self._max_crashes, self._lease_s, f"{now:.6f}"]
            )
            if not reply:
                break
            more, num_taken, outage_s = reply
            total_taken += num_taken
            if float(outage_s):
                # Also after a restart of everything, so it is no warning.
                logger.info("nobody has reaped: leases are extended", extra={"outage_s": round(float(outage_s), 1)})
            if more:
                self._pause(began)
        return total_taken

    def _pause(self, began: float) -> None:
        # However much is due, the store has half of its time for others.
        self._stopping.wait(time.monotonic() - began)

    def _make_room(self) -> None:
        """Forget delivered answers, the oldest first, while the memory is nearly full."""
        for _ in range(MAX_EVICTING_CALLS):
            if not self._is_full() or not self._evict(args=[MAX_JOBS_PER_CALL]):
                break

    def post_ledger(self) -> None:
        """Post the entries of the ledger to the accounts of tenants."""
        ends_at, began = time.monotonic() + MAX_PASS_S, time.monotonic()
        while self._post_ledger(args=[MAX_POSTED]) and time.monotonic() < ends_at and not self._stopping.is_set():
            self._pause(began)
            began = time.monotonic()

    def _is_full(self) -> bool:
        try:
            memory = self._client.info("memory")
        except redis.exceptions.NoPermissionError:
            return False  # rules without @dangerous forbid INFO
        # maxmemory is 0 for a store without a limit, which is never full.
        return bool(0 < memory["maxmemory"] * MAX_MEMORY_SHARE < memory["used_memory"])

    def _replace_messages(self) -> int:
        queues = sorted(reads(self._client).smembers(f"{PREFIX}queues"))
        starts = range(0, len(queues), MAX_QUEUES_PER_CALL)
        return sum(self._wake_queues(args=queues[start : start + MAX_QUEUES_PER_CALL]) for start in starts)

    def _loop(self) -> None:
        problem: StoreProblem | None = None
        while not self._stopping.wait(PERIOD_S):
            try:
                num_taken, num_replaced = self.reap()
            except redis.RedisError as error:
                # Nothing is lost: what is due stays due, and the next pass finds it. One line an outage is enough.
                known, problem = problem, problem_of(error)
                if problem != known:
                    logger.warning("the reaper can't work: %s", problem.sentence, extra={"error": str(error)})
                continue
            except Exception:
                # If this thread died, nobody would notice dead workers any more.
                logger.exception("a pass of the reaper failed")
                continue
            if problem is not None:
                logger.info("the reaper works again")
                problem = None
            if num_taken or num_replaced:
                logger.warning(
                    "reaped", extra={"taken_from_dead_workers": num_taken, "messages_replaced": num_replaced}
                )
