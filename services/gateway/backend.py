"""What runs behind the routes: the clients of the store, and the background work of one gateway process."""

import logging
from dataclasses import dataclass

import redis

from contracts.settings import StoreSettings
from contracts.store.job_reader import JobReader
from contracts.store.job_writer import JobWriter
from contracts.store.queue_stats import QueueStats
from contracts.store.reaper import Reaper
from contracts.store.redis_client import connect, server_warnings
from contracts.store.registry import Registry
from services.gateway.auth.api_keys import ApiKeys
from services.gateway.jobs.listener import Listener
from services.gateway.jobs.waiting import WakeUps
from services.gateway.monitoring.monitor import Monitor

logger = logging.getLogger(__name__)
REDIS_TIMEOUT_S = 1.8
"""With ``waiting.NET_S`` less than 3.5 s: the longest that a request hangs on a store that froze."""


@dataclass(frozen=True)
class Parts:
    """The parts that routes are made of. Made by ``make_parts``; nothing runs before ``start``."""

    client: redis.Redis
    reader: JobReader
    writer: JobWriter
    queues: QueueStats
    registry: Registry
    keys: ApiKeys
    monitor: Monitor
    wake_ups: WakeUps
    listener: Listener
    reaper: Reaper

    def start(self) -> None:
        """Start the background work. A store that is out of reach is waited for, not an error."""
        self.monitor.start()
        self.listener.start()
        self.reaper.start()
        try:
            for warning in server_warnings(self.client) if self.monitor.store_answers else []:
                logger.warning(warning)
        except redis.RedisError as error:
            logger.warning("the store could not be asked for its settings: %s", error)

    def stop(self) -> None:
        """End every wait, and the background work."""
        self.wake_ups.close()
        self.reaper.stop()
        self.monitor.stop()
        self.listener.stop()


def make_parts(settings: StoreSettings) -> Parts:
    """Return the parts with real clients; nothing connects yet."""
    # One client for requests; and one for what must not wait behind them.
    client = connect(settings.redis_url, timeout_s=REDIS_TIMEOUT_S, retries=1)
    own = connect(settings.redis_url, timeout_s=REDIS_TIMEOUT_S, retries=1, max_connections=4)
    wake_ups = WakeUps()
    return Parts(
        client=client,
        reader=JobReader(client),
        writer=JobWriter(client, settings),
        queues=QueueStats(client),
        registry=Registry(client),
        keys=ApiKeys(client),
        monitor=Monitor(own, on_loss=wake_ups.wake_all),
        wake_ups=wake_ups,
        listener=Listener(own, wake_ups),
        reaper=Reaper(own, settings),
    )
