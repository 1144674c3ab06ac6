"""Caches facts of the store: whether it answers, takes writes and has room, which models and API keys exist, and loads.

A greenlet reads them once a second, on connections of its own. Requests use the cached facts, which saves them round
trips. While the store is out of reach, requests are refused at once instead of each waiting for its own timeout.
"""

import logging
import time
from collections.abc import Callable, Mapping

import gevent
import redis
from gevent.lock import BoundedSemaphore

from contracts.cards import ModelCard
from contracts.errors import Unavailable
from contracts.store.clock import steady_s, store_time
from contracts.store.keys import PREFIX
from contracts.store.problems import TIMEOUT, UNREACHABLE, StoreProblem, problem_of
from contracts.store.profiles import KeptProfile, Profiles
from contracts.store.queues.load_reader import LoadReader
from contracts.store.registry import KnownModels, Registry
from contracts.store.scripts import load_script
from services.gateway.admission.loads import LoadBook
from services.gateway.auth.api_keys import ApiKeys

logger = logging.getLogger(__name__)
PERIOD_S = 1.0
PROFILES_PERIOD_S = 5.0
"""Profiles change slowly, and to read and merge those of all models takes longer than all else."""
MODELS_PERIOD_S = 0.1
"""Shortest time between two reads of the models for requests that name an unknown one: anyone can send such names."""
MAX_MEMORY_SHARE = 0.8
"""Submits are refused when this share of the store's memory is used: accepted jobs still need room to finish."""
MAX_SHARE_WITH_DELIVERED = 0.9
"""The same while there are answers that clients have: reapers forget them to get below the lower share again."""
NEARLY_FULL = "The job store is nearly full."
_NOT_READ = StoreProblem("not_read", "The job store was not read yet.")


class Monitor:
    """Watches the store and calls ``on_loss`` when it can't be read.

    ``client`` must not be the client of requests: these could take all its connections, and the monitor would wait.
    """

    def __init__(self, client: "redis.Redis", on_loss: Callable[[], None]) -> None:
        self._client = client
        self._registry = Registry(client)
        self._keys = ApiKeys(client)
        self._load_reader = LoadReader(client)
        self._profiles = Profiles(client)
        self._kept: Mapping[str, Mapping[str, KeptProfile]] = {}
        self._kept_at = float("-inf")
        self._on_loss = on_loss
        self._greenlet: gevent.Greenlet | None = None
        self._probe = load_script(client, "probe")
        self.store_answers = False
        """Whether the store can be read."""
        self.problem: StoreProblem | None = _NOT_READ
        """Why the store can't be read or takes no writes; None if it does both."""
        self.store_is_full = False
        self.has_keys = False
        self.known = KnownModels()
        self.loads = LoadBook()
        self._models_at = float("-inf")
        """When the last read of the models began."""
        self._reading_models = BoundedSemaphore(1)
        self._store_ahead_s = time.time() - steady_s()

    def start(self) -> None:
        """Refresh once now, and then every second."""
        self.refresh()
        self._greenlet = gevent.spawn(self._loop)

    def stop(self) -> None:
        """Stop refreshing."""
        if self._greenlet is not None:
            self._greenlet.kill()

    @property
    def models(self) -> Mapping[str, ModelCard]:
        """The announced models by name."""
        return self.known.cards

    def check_store(self) -> None:
        """Raise Unavailable while the store can't be read."""
        if self.problem is not None and not self.store_answers:
            raise self.problem.unavailable()

    def check_writes(self) -> None:
        """Raise Unavailable while the store takes no new jobs."""
        if self.problem is not None:
            raise self.problem.unavailable()
        # Refused before the store is so full that it refuses writes: accepted jobs still need room for their outputs.
        if self.store_is_full:
            raise Unavailable(f"{NEARLY_FULL} Nothing was accepted; try again later.")

    def store_time(self) -> float:
        """Return an estimate of the time of the store's scripts, in seconds since the epoch."""
        return steady_s() + self._store_ahead_s

    def refresh_models(self) -> None:
        """Read the models, so that all are known that were announced before this call.

        Calls share reads, of which there is at most one in ``MODELS_PERIOD_S``, so a call may wait for that long.

        Raises:
            redis.RedisError, Unavailable: the store does not answer.
        """
        called = time.monotonic()
        with self._reading_models:
            if self._models_at > called:
                return  # another call has read them meanwhile
            self.check_store()  # or those who wait here would wait for a timeout each
            gevent.sleep(max(0.0, self._models_at + MODELS_PERIOD_S - time.monotonic()))
            self._read_models()

    def refresh(self) -> None:
        """Read all facts from the store once, and find out whether it takes writes."""
        answers = False
        try:
            self._read()
            answers = True
            self._probe(args=[])
        except redis.RedisError as error:
            problem = problem_of(error)
            # The probe may fail because the store was lost after the read.
            answers = answers and problem not in {UNREACHABLE, TIMEOUT}
            if problem != self.problem:
                logger.warning("%s", problem.sentence, extra={"error": str(error)})
            self.problem = problem
        else:
            if self.problem is not None:
                logger.info("the store answers")
            self.problem = None
        self.store_answers = answers
        if not answers:
            # Requests that wait for jobs read their records now, find the store lost, and end with 503.
            self._on_loss()

    def _read_models(self) -> None:
        began = time.monotonic()
        known = self._registry.known()
        # Of two reads at once, the one that began first may end last.
        if began >= self._models_at:
            self._models_at, self.known = began, known

    def _read(self) -> None:
        self._read_models()
        self.has_keys = self._keys.count() > 0
        self._read_clock()
        self._read_profiles()
        self.loads.note(self._load_reader.read(self.models), self._kept, time.monotonic())
        try:
            memory, num_delivered = self._read_memory()
        except redis.exceptions.NoPermissionError:
            return  # rules without @dangerous forbid INFO; then only the store itself refuses what it has no room for
        share = MAX_SHARE_WITH_DELIVERED if num_delivered else MAX_MEMORY_SHARE
        # maxmemory is 0 for a store without a limit, which is never full.
        self.store_is_full = 0 < memory["maxmemory"] * share < memory["used_memory"]

    def _read_profiles(self) -> None:
        is_due = time.monotonic() - self._kept_at >= PROFILES_PERIOD_S
        # Of a model that was not measured until now the first profile is news.
        wanted = [model for model in self.models if is_due or not self._kept.get(model)]
        if not wanted:
            return
        found = self._profiles.read(wanted)
        if is_due:
            self._kept, self._kept_at = found, time.monotonic()
        elif any(found.values()):
            self._kept = {**self._kept, **found}

    def _read_memory(self) -> tuple[dict[str, int], int]:
        with self._client.pipeline(transaction=False) as pipeline:
            pipeline.info("memory")
            pipeline.zcard(f"{PREFIX}delivered")
            memory, num_delivered = pipeline.execute()
        return memory, num_delivered

    def _read_clock(self) -> None:
        before = steady_s()
        now = store_time(self._client)
        # The store read its clock somewhere between the two times here; in the middle the error is smallest.
        self._store_ahead_s = now - (before + steady_s()) / 2

    def _loop(self) -> None:
        while True:
            gevent.sleep(PERIOD_S)
            try:
                self.refresh()
            except Exception:
                # If this greenlet died, the gateway would serve from stale facts for ever.
                logger.exception("reading the facts of the store failed")
