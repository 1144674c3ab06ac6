"""The reaper: a thread in every gateway process and every worker that recovers jobs which no worker takes care of.

Each second it takes jobs back from dead workers, pushes a new message for queued jobs whose message was lost, and
expires jobs that are past their deadline, even while no worker is alive. There is no leader and no lock: many reapers
may run at once, because each pass is one Lua script.
"""

import logging
import threading

import redis

from contracts.settings import StoreSettings
from contracts.store.problems import StoreProblem, problem_of
from contracts.store.scripts import load_script

logger = logging.getLogger(__name__)
# A job past its deadline must end within two seconds (docs/architecture/01-job-record.md).
PERIOD_S = 1.0
MAX_JOBS_PER_CALL = 200
"""Redis runs nothing else while a script runs. After an outage thousands of jobs may be due at once."""


class Reaper:
    """Reaps once a second from ``start`` to ``stop``."""

    def __init__(self, client: "redis.Redis", settings: StoreSettings) -> None:
        self._republish_after_s = settings.republish_after_s
        self._max_crashes = settings.max_crashes
        self._script = load_script(client, "reap")
        self._stopping = threading.Event()
        # A daemon, and never joined: Redis completes a script that it has begun, whether or not this process ends.
        self._thread = threading.Thread(target=self._loop, name="reaper", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the current pass."""
        self._stopping.set()

    def reap(self) -> tuple[int, int]:
        """Check every job that is due; return how many came from dead workers, and how many got a new message.

        Raises:
            redis.RedisError: the store is out of reach.
        """
        total_taken, total_republished = 0, 0
        while True:
            num_checked, num_taken, num_republished = self._script(
                args=[MAX_JOBS_PER_CALL, self._republish_after_s, self._max_crashes]
            )
            total_taken, total_republished = total_taken + num_taken, total_republished + num_republished
            if num_checked < MAX_JOBS_PER_CALL:
                return total_taken, total_republished

    def _loop(self) -> None:
        problem: StoreProblem | None = None
        while not self._stopping.wait(PERIOD_S):
            try:
                num_taken, num_republished = self.reap()
            except redis.RedisError as error:
                # Nothing is lost: what is due stays due, and the next pass finds it. One line an outage is enough.
                known, problem = problem, problem_of(error)
                if problem != known:
                    logger.warning("the reaper can't work: %s", problem.sentence, extra={"error": str(error)})
                continue
            if problem is not None:
                logger.info("the reaper works again")
                problem = None
            if num_taken or num_republished:
                logger.warning(
                    "reaped", extra={"taken_from_dead_workers": num_taken, "messages_replaced": num_republished}
                )
