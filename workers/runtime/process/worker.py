"""A worker process: the composition root, where real clients are made and Celery is started."""

import logging
import os
import secrets
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import redis
from celery import Celery, signals
from celery.exceptions import CPendingDeprecationWarning, SecurityWarning

from contracts.jobs import RUN_TASK, queue_of
from contracts.store.attempt_store import AttemptStore
from contracts.store.celery_app import make_celery
from contracts.store.queue_stats import QueueStats
from contracts.store.reaper import Reaper
from contracts.store.redis_client import connect, server_warnings
from contracts.store.registry import Registry
from workers.runtime.attempts.harness import Harness
from workers.runtime.models.loading import Loader, WorkerSpec
from workers.runtime.models.reload import Watcher
from workers.runtime.process.heartbeat import Heartbeat, Watchdog
from workers.runtime.process.transport import patch_transport
from workers.runtime.settings import WorkerSettings

logger = logging.getLogger(__name__)
STORE_TIMEOUT_S = 3.0
STORE_RETRIES = 8
STOP_LOADING_S = 1.0


def run_worker(settings: WorkerSettings, spec: WorkerSpec[Any]) -> int:
    """Load the models, then serve their queues until SIGTERM; return the exit status.

    Nothing is taken from a queue before every model is loaded and warm.

    Raises:
        PackageError: see ``Loader.load_all``.
        DeviceError: see ``Session``.
    """
    _on_hangup(signal.SIG_IGN)  # there is nothing yet that could be replaced
    client = connect(settings.store.redis_url, timeout_s=STORE_TIMEOUT_S, retries=STORE_RETRIES)
    attempts = AttemptStore(client, settings.store)
    engine = spec.engine(attempts)
    loader = Loader(spec, settings, engine)
    models = loader.load_all()
    worker_id = f"{os.uname().nodename}.{os.getpid()}.{secrets.token_hex(4)}"
    harness = Harness(attempts, worker_id, models)
    heartbeat = Heartbeat(
        worker_id,
        store=attempts,
        queues=QueueStats(client),
        registry=Registry(client),
        harness=harness,
        engine=engine,
        models=models,
        watchdog=Watchdog(hard_limit_s=settings.hard_limit_s, stall_s=settings.stall_s),
    )
    watcher = Watcher(models, loader, period_s=settings.reload_s, swapped=heartbeat.announce)
    app = make_celery(settings.store.redis_url)
    patch_transport(app)
    _register(app, harness)

    report = partial(_report_ready, client, worker_id, sorted(models.names()))
    _on_start(heartbeat.start, Reaper(client, settings.store).start, watcher.start, report)
    _on_stop(harness, heartbeat, settings.drain_s)
    status = _serve(app, models.names(), settings, watcher)
    harness.drain(settings.drain_s)
    heartbeat.stop()
    if not watcher.stop(STOP_LOADING_S):
        os._exit(status)  # a model that is being loaded can't be interrupted, and ends badly with the interpreter
    return status


def _on_start(*steps: Callable[[], None]) -> None:
    def started(**_: Any) -> None:
        for step in steps:
            step()

    signals.worker_ready.connect(started, weak=False)


def _on_stop(harness: Harness, heartbeat: Heartbeat, drain_s: float) -> None:
    def stopping(**_: Any) -> None:
        harness.take_no_more()
        logger.info("stopping", extra={"running": len(harness.running()), "drain_s": drain_s})
        timer = threading.Timer(drain_s, _give_up, args=(harness, heartbeat))
        timer.daemon = True
        timer.start()

    signals.worker_shutting_down.connect(stopping, weak=False)


def _report_ready(client: "redis.Redis", worker_id: str, models: list[str]) -> None:
    logger.info("ready", extra={"models": models, "worker": worker_id})
    try:
        for warning in server_warnings(client):
            logger.warning(warning)
    except redis.RedisError as error:
        logger.info("the server was not looked at: %s", error)


def _register(app: Celery, harness: Harness) -> None:
    @app.task(name=RUN_TASK, bind=True)  # type: ignore[untyped-decorator]
    def run(task: Any, job_id: str) -> None:
        queue = str(task.request.delivery_info.get("routing_key", ""))
        harness.accept(job_id, suspect=queue.endswith(".suspect"), queue=queue)


def _serve(app: Celery, models: list[str], settings: WorkerSettings, watcher: Watcher) -> int:
    # A root worker that takes pickle is refused by Celery with an error; ours takes ids in JSON.
    warnings.filterwarnings("ignore", "You're running the worker with superuser privileges", SecurityWarning)
    worker = _worker_class(app, watcher)(
        pool="threads",
        concurrency=settings.concurrency,
        queues=[queue_of(name, suspect=suspect) for name in models for suspect in (False, True)],
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        loglevel="WARNING",
        quiet=True,
    )
    # Said on each reconnect, and about tasks with late acks only. Celery's own filters came with the line above.
    warnings.filterwarnings("ignore", r"\s*In Celery 5\.1 we introduced", CPendingDeprecationWarning)
    worker.start()
    return int(worker.exitcode or 0)


def _worker_class(app: Celery, watcher: Watcher) -> Any:
    """Return Celery's worker, but with a SIGHUP that looks for new models where Celery's would restart the process."""

    class Worker(app.Worker):  # type: ignore[misc]
        def install_platform_tweaks(self, worker: Any) -> None:
            super().install_platform_tweaks(worker)
            _on_hangup(lambda number, frame: watcher.look_now())

    return Worker


def _on_hangup(handler: Callable[[int, Any], None] | signal.Handlers) -> None:
    """Take SIGHUP as an order, except in a terminal, where it means that the terminal is gone."""
    if not sys.stdin or not sys.stdin.isatty():
        signal.signal(signal.SIGHUP, handler)


def _give_up(harness: Harness, heartbeat: Heartbeat) -> None:
    """End a worker whose jobs outlast its drain time; nothing is lost, they run elsewhere."""
    heartbeat.stop()
    harness.release_all()  # last, since this worker might take their messages itself
    logger.warning("drain time over; jobs were given back")
    os._exit(0)
