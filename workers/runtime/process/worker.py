"""A worker process: the composition root, where all parts of a worker are created, started and stopped."""

import logging
import os
import secrets
import signal
import sys
import threading
from functools import partial
from typing import Any, NoReturn

import redis

from contracts.store.attempt_store import AttemptStore
from contracts.store.profiles import Profiles
from contracts.store.reaper import Reaper
from contracts.store.redis_client import server_warnings
from workers.runtime.attempts.intake import Intake
from workers.runtime.attempts.room import JobRoom
from workers.runtime.inference.budget import jobs_budget_bytes
from workers.runtime.models.loading import Loader, WorkerSpec
from workers.runtime.models.reload import Watcher
from workers.runtime.models.versions import Models
from workers.runtime.price.prices import Kept, Prices
from workers.runtime.process.celery_worker import consume, handle_hangup, make_app, when_ready, when_stopping
from workers.runtime.process.heartbeat.dead_workers import DeadWorkers
from workers.runtime.process.heartbeat.heartbeat import Heartbeat
from workers.runtime.process.heartbeat.messages import Start
from workers.runtime.process.note_files import Note, make_note
from workers.runtime.process.store_client import connect_worker
from workers.runtime.settings import WorkerSettings

logger = logging.getLogger(__name__)
MAX_GROUP = 8
"""Suspects that are taken together, when there may be room for one job only (lua/common/blame.lua)."""
NUM_THREADS = 4
"""Threads for what takes long: tokenizing long texts, rendering chat templates, pipelines."""
STOP_LOADING_S = 1.0
"""Longest wait, when the worker ends, for a version of a model that is being loaded."""


def run_worker(settings: WorkerSettings, spec: WorkerSpec[Any]) -> NoReturn:
    """Load the models, serve their queues until SIGTERM, and end the process.

    No message is taken from a queue before every model is loaded and warm.

    Raises:
        PackageError, DeviceError: as ``Loader.load_all``.
    """
    handle_hangup(signal.SIG_IGN)  # until there are models that could be replaced
    client = connect_worker(settings.store.redis_url)
    attempts = AttemptStore(client, settings.store)
    worker_id = _new_worker_id()
    note = make_note(settings.runtime_dir, worker_id, settings.concurrency + MAX_GROUP)
    # Before the models are loaded, which may take longer than a lease.
    threading.Thread(target=DeadWorkers(attempts, worker_id, note.path).look, name="dead workers", daemon=True).start()
    engine = spec.make_engine(attempts, note.state.note_call)
    loader = Loader(spec, settings, engine)
    models = loader.load_all()
    room, max_jobs = _room(loader.settings, models), settings.concurrency
    prices = Prices(models, _kept_prices(client, models))
    intake = Intake(attempts, worker_id, models, engine, shared=note.state, room=room, prices=prices, max_jobs=max_jobs)
    start = _start_message(settings, spec.family, worker_id, note)
    heartbeat = Heartbeat(start, shared=note.state, intake=intake, engine=engine, models=models, prices=prices)
    watcher = Watcher(models, loader, period_s=settings.reload_s, on_swap=heartbeat.announce)
    log_ready = partial(_log_ready, client, worker_id, sorted(models.names()))
    # Not before Celery consumes: an announcement promises a worker that takes jobs, and `--health` relies on that.
    when_ready(
        lambda pool: intake.start(pool, NUM_THREADS),
        heartbeat.announce_worker,
        Reaper(client, settings.store).start,
        watcher.start,
        log_ready,
    )
    _serve(settings, models.names(), intake, heartbeat, watcher)


def _serve(
    settings: WorkerSettings, models: list[str], intake: Intake, heartbeat: Heartbeat, watcher: Watcher
) -> NoReturn:
    """Serve the queues of models until SIGTERM, and end the process."""
    heartbeat.start()
    when_stopping(partial(_begin_drain, intake, heartbeat, settings.drain_s))
    status = consume(
        make_app(settings.store.redis_url, intake, models),
        models,
        concurrency=NUM_THREADS,
        on_hangup=watcher.scan_soon,
        drain=partial(intake.drain, settings.drain_s),
    )
    # In this order: the leases of jobs that are still running must be renewed to their end.
    intake.drain(settings.drain_s)  # nothing is left to do, unless Celery had not begun
    heartbeat.stop()
    watcher.stop(STOP_LOADING_S)
    sys.stdout.flush()
    # Not by returning. A model may be loading, or run for a job that was released: neither can be interrupted, and the
    # interpreter would crash if it ended meanwhile.
    os._exit(status)


def _room(settings: WorkerSettings, models: Models) -> JobRoom:
    most_dimensions = max(card.dimensions or 0 for card in models.cards())
    return JobRoom(jobs_budget_bytes(settings), most_dimensions)


def _kept_prices(client: "redis.Redis", models: Models) -> Kept:
    """Return what is known of the models from other workers, or from earlier ones."""
    try:
        return Profiles(client).read(models.names())
    except redis.RedisError as error:
        logger.info("prices of models not read", extra={"error": str(error)})
        return {}


def _start_message(settings: WorkerSettings, family: str, worker_id: str, note: Note) -> Start:
    return Start(
        process=family,
        worker_id=worker_id,
        worker_pid=os.getpid(),
        redis_url=settings.store.redis_url,
        lease_s=settings.store.lease_s,
        max_crashes=settings.store.max_crashes,
        hard_limit_s=settings.hard_limit_s,
        stall_s=settings.stall_s,
        state_file=note.state.file,
        note=str(note.path) if note.path else None,
    )


def _new_worker_id() -> str:
    # The random part distinguishes restarts: in containers the host name and the process id are often the same again.
    return f"{os.uname().nodename}.{os.getpid()}.{secrets.token_hex(4)}"


def _log_ready(client: "redis.Redis", worker_id: str, models: list[str]) -> None:
    logger.info("ready", extra={"models": models, "worker": worker_id})
    try:
        for warning in server_warnings(client):
            logger.warning(warning)
    except redis.RedisError as error:
        logger.info("settings of the server not checked", extra={"error": str(error)})


def _begin_drain(intake: Intake, heartbeat: Heartbeat, drain_s: float) -> None:
    """Take no more jobs, and end the process when the jobs that are running take too long."""
    intake.begin_drain()
    # Celery itself waits for the threads of its pool without a limit, because they can't be interrupted.
    timer = threading.Timer(drain_s, _end_drain, args=(intake, heartbeat))
    timer.daemon = True
    timer.start()
    logger.info("stopping", extra={"running": len(intake.held.all()), "drain_s": drain_s})


def _end_drain(intake: Intake, heartbeat: Heartbeat) -> None:
    """Return the jobs that are still running to their queues, where other workers find them, and exit."""
    heartbeat.stop()
    # Last: other workers may take them at once, and leases that are renewed no more must not be blamed.
    intake.held.release_all()
    logger.warning("drain time is over; jobs were returned to their queues")
    # Not sys.exit: this is a timer's thread, and the pool's threads would keep the process alive.
    os._exit(0)
