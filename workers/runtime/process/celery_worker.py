"""Celery's worker as Triptych uses it: it waits for messages, which wake the intake, and has a pool of threads.

What Celery does here and what not, and why, is in docs/decisions/0018 and 0023.
"""

import logging
import signal
import sys
import warnings
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

from celery import Celery, signals
from celery.exceptions import CPendingDeprecationWarning, SecurityWarning, WorkerShutdown
from celery.platforms import EX_FAILURE

from contracts.jobs import RUN_TASK, queue_of
from contracts.store.celery_app import make_celery
from workers.runtime.attempts.intake import Intake
from workers.runtime.process.newcomers import newcomer_step
from workers.runtime.process.transport import DOOR, patch_transport

logger = logging.getLogger(__name__)


def make_app(redis_url: str, intake: Intake, models: list[str]) -> Celery:
    """Return an app with one task, whose messages wake the intake for queues of these models."""
    queues = _queues_of(models)
    app = make_celery(redis_url)
    patch_transport(app)
    app.steps["consumer"].add(newcomer_step([queue_of(name) for name in models], intake.wake))
    DOOR.is_open = lambda: intake.has_room and intake.is_listening
    DOOR.is_open_for_newcomers = lambda: intake.has_room_for_newcomers and intake.is_listening
    intake.when_room(DOOR.opened)

    @app.task(name=RUN_TASK)  # type: ignore[untyped-decorator]
    def run() -> None:
        """Never called: its messages are handled by the strategy below."""

    def strategy(task: Any, app: Celery, consumer: Any) -> Callable[..., None]:
        """Return the function that handles a message.

        Celery's own makes a request of it and runs that in the pool, which takes three times as long.
        """

        def handle(message: Any, *_: Any) -> None:
            message.ack_log_error(logger, consumer.connection_errors)
            # Anybody who can write to the store may have written it. Another queue's jobs can't run here.
            queue = message.delivery_info.get("routing_key")
            if queue in queues:
                intake.wake(queue)

        return handle

    run.Strategy = strategy
    return app


def _queues_of(models: list[str]) -> list[str]:
    return [queue_of(name, suspect=suspect) for name in models for suspect in (False, True)]


def when_ready(start: Callable[[Executor], None], *steps: Callable[[], None]) -> None:
    """Once the worker consumes messages, call ``start`` with the threads of Celery's pool, and then the steps.

    An error of theirs ends the worker.
    """

    def call_all(sender: Any, **_: Any) -> None:
        try:
            start(sender.pool.executor)
            for step in steps:
                step()
        except Exception as error:  # Celery would log it and go on, with a worker that takes no jobs
            logger.critical("the worker can't start", exc_info=True)
            raise WorkerShutdown(EX_FAILURE) from error

    # Celery keeps only weak references by default, and nothing else refers to this function.
    signals.worker_ready.connect(call_all, weak=False)


def when_stopping(step: Callable[[], None]) -> None:
    """Call a function on SIGTERM, before Celery waits for the jobs in its pool.

    Celery calls it in the signal handler, so it must not need a lock that the main thread may hold.
    """

    def call(**_: Any) -> None:
        step()
        DOOR.opened()  # so that Celery's loop turns, and finds out that it must stop

    signals.worker_shutting_down.connect(call, weak=False)  # as above


def consume(
    app: Celery,
    models: list[str],
    *,
    concurrency: int,
    on_hangup: Callable[[], None],
    drain: Callable[[], None],
) -> int:
    """Consume messages until SIGTERM; return the exit status.

    Args:
        app: with the task.
        models: whose queues to consume from. Celery can't be given more of them while it runs.
        concurrency: threads for what takes long.
        on_hangup: called on SIGHUP, in a signal handler.
        drain: called after SIGTERM, before the pool is stopped. It waits until nothing needs the pool.
    """
    # Celery warns of workers that run as root and accept pickle. Ours accept JSON only.
    warnings.filterwarnings("ignore", "You're running the worker with superuser privileges", SecurityWarning)
    worker = _worker_class(app, on_hangup, drain)(
        # Threads, because all jobs share the models of this process.
        pool="threads",
        concurrency=concurrency,
        queues=_queues_of(models),
        # By these three, Celery's workers learn of each other. They need events and remote control, which are off.
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        loglevel="WARNING",
        quiet=True,
    )
    # On each reconnect Celery warns about tasks with late acks, which we do not use. The filter must come after the
    # worker is created, because Celery then installs its own, which come first.
    warnings.filterwarnings("ignore", r"\s*In Celery 5\.1 we introduced", CPendingDeprecationWarning)
    logging.getLogger("celery.worker.consumer.consumer").addFilter(_tells_of_connections)
    worker.start()
    return int(worker.exitcode or 0)


def _tells_of_connections(record: logging.LogRecord) -> bool:
    """Return False for the traceback that Celery logs each second while the store takes no writes.

    It connects anew, and each time writes what it needs there. The reaper and the heartbeat say what is wrong.
    """
    return "Frequent restarts detected" not in record.msg


def handle_hangup(handler: Callable[[int, Any], None] | signal.Handlers) -> None:
    """Set the handler of SIGHUP, except in a terminal: there the signal means that the terminal was closed."""
    if not sys.stdin or not sys.stdin.isatty():
        signal.signal(signal.SIGHUP, handler)


def _worker_class(app: Celery, on_hangup: Callable[[], None], drain: Callable[[], None]) -> Any:
    class Worker(app.Worker):  # type: ignore[misc]
        def install_platform_tweaks(self, worker: Any) -> None:
            super().install_platform_tweaks(worker)
            # Celery's own handler, installed by the line above, restarts the process and so loses the jobs it holds.
            handle_hangup(lambda number, frame: on_hangup())

        def on_close(self) -> None:
            super().on_close()
            drain()  # Celery takes no more messages, and its pool is still there

    return Worker
