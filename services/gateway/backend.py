"""The backend of the routes: clients of the store, and the background work of one gateway process."""

import logging
from dataclasses import dataclass

import redis

from contracts.settings import StoreSettings
from contracts.store.job_reader import JobReader
from contracts.store.job_writer import JobWriter
from contracts.store.queues.stats import QueueStats
from contracts.store.reaper import Reaper
from contracts.store.redis_client import connect, server_warnings
from contracts.store.registry import Registry
from contracts.store.tenants.limits import Meters, StoredLimits
from contracts.store.tenants.usage import UsageReader
from services.gateway.auth.api_keys import ApiKeys
from services.gateway.jobs.deliveries import Deliveries
from services.gateway.jobs.listener import Listener
from services.gateway.jobs.wake_ups import WakeUps
from services.gateway.limits.book import LimitBook
from services.gateway.monitoring.metrics import Metrics
from services.gateway.monitoring.monitor import Monitor
from services.gateway.offload.client import Offload
from services.gateway.settings import GatewaySettings
from services.gateway.store.client import TurnClient
from services.gateway.store.submits import Submits

logger = logging.getLogger(__name__)
REDIS_TIMEOUT_S = 1.8
"""With ``wake_ups.POLL_S`` less than 3.5 s: the longest time that a request hangs on a frozen store."""

MAX_STORE_CONNECTIONS = 256
"""Connections to the store for requests; each is made when all others are in use, and kept.

A request holds one while it waits for its turn on the processor, and waits half a second at most to get one. With 64 of
them, 85 of 500 streams that began in one second got a 503, and the store had nothing to do.
"""


@dataclass(frozen=True)
class Backend:
    """What the routes work with. Made by ``make_backend``; nothing runs before ``start``."""

    client: redis.Redis
    reader: JobReader
    writer: JobWriter
    submits: Submits
    queues: QueueStats
    registry: Registry
    keys: ApiKeys
    limits: LimitBook
    meters: Meters
    usage: UsageReader
    monitor: Monitor
    metrics: Metrics
    wake_ups: WakeUps
    listener: Listener
    deliveries: Deliveries
    reaper: Reaper
    offload: Offload

    def start(self) -> None:
        """Start the background work. A store that is out of reach is no error: the threads and greenlets retry."""
        # The monitor first: it reads once before it returns, so the first request finds the models.
        self.monitor.start()
        self.listener.start()
        self.reaper.start()
        try:
            for warning in server_warnings(self.client) if self.monitor.store_answers else []:
                logger.warning(warning)
        except redis.RedisError as error:
            logger.warning("the settings of the store could not be read", extra={"error": str(error)})

    def begin_stop(self) -> None:
        """Say from now on that this process is not ready. Everything goes on."""
        self.wake_ups.stopping = True

    def stop(self) -> None:
        """End every wait, and the background work."""
        # Before the listener stops: requests that wait would otherwise hold up the stop for the rest of their time.
        self.wake_ups.close()
        self.reaper.stop()
        self.monitor.stop()
        self.listener.stop()


def make_backend(settings: GatewaySettings, store: StoreSettings, metrics_folder: str | None = None) -> Backend:
    """Return a backend with real clients; nothing connects yet.

    ``metrics_folder`` is that of all processes of the gateway; without it this one is alone.
    """
    connections = connect(store.redis_url, timeout_s=REDIS_TIMEOUT_S, retries=1, max_connections=MAX_STORE_CONNECTIONS)
    client = TurnClient(connections.connection_pool)
    # Background work has a client of its own, because requests may use up the connections of theirs. Five connections
    # are enough for monitor, listener, reaper and deliveries, which use one each, and for requests that have the
    # monitor read the models, one at a time.
    background = connect(store.redis_url, timeout_s=REDIS_TIMEOUT_S, retries=1, max_connections=5)
    writer = JobWriter(client)
    wake_ups = WakeUps(writer)
    monitor = Monitor(background, on_loss=wake_ups.wake_all)
    keys = ApiKeys(client)
    queues, registry = QueueStats(client), Registry(client)
    metrics = Metrics(queues, registry, monitor, metrics_folder)
    return Backend(
        client=client,
        reader=JobReader(client),
        writer=writer,
        submits=Submits(writer, large=JobWriter(connections)),
        queues=queues,
        registry=registry,
        keys=keys,
        limits=LimitBook(settings, StoredLimits(client), keys),
        meters=Meters(client),
        usage=UsageReader(client),
        monitor=monitor,
        metrics=metrics,
        wake_ups=wake_ups,
        listener=Listener(background, wake_ups),
        deliveries=Deliveries(
            JobWriter(background), settings.delivered_ttl_s, monitor.store_time, on_delivery=metrics.delivered
        ),
        reaper=Reaper(background, store),
        offload=Offload(),
    )
