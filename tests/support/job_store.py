"""All parts of the job store in one object, for tests that act as gateway, worker and reaper at once."""

import redis

from contracts.settings import StoreSettings
from contracts.store.attempt_store import AttemptStore
from contracts.store.job_reader import JobReader
from contracts.store.job_writer import JobWriter
from contracts.store.queue_stats import QueueStats
from contracts.store.reaper import Reaper


class JobStore(JobReader, JobWriter, AttemptStore, QueueStats):
    """All methods of the parts of the job store, over one client."""

    def __init__(self, client: redis.Redis, settings: StoreSettings | None = None) -> None:
        settings = settings or StoreSettings()
        self.client = client
        JobReader.__init__(self, client)
        JobWriter.__init__(self, client, settings)
        AttemptStore.__init__(self, client, settings)
        QueueStats.__init__(self, client)
        self.reap = Reaper(client, settings).reap
