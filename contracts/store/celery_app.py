"""The one Celery configuration of the system, which every worker uses.

Celery on Redis may lose or duplicate messages, so a message is only a wake-up: it says that its queue has work, and the
job store decides what there is to run (docs/decisions/0018). Step 3 on the path of a job.
"""

from celery import Celery

_CONFIG: dict[str, object] = {
    # Messages are acknowledged early, and the lease in the record recovers lost jobs instead. With late acks,
    # Celery on Redis runs jobs twice after every reconnect, leaks a pool slot on MemoryError (celery#10462) and
    # exits when Redis restarts.
    "task_acks_late": False,
    # No result backend: the job store is the one source of truth.
    "result_backend": None,
    "task_ignore_result": True,
    # The reaper retries. A publish that blocks would only delay its caller.
    "task_publish_retry": False,
    "task_serializer": "json",
    # Whoever can write to Redis can push a message, and a pickled one would run code in the worker.
    "accept_content": ["json"],
    # What a worker has prefetched when it dies is lost until the reaper replaces it, so it takes few.
    "worker_prefetch_multiplier": 1,
    # If it were True, a worker with threads and early acks would take one message a second.
    "worker_disable_prefetch": False,
    # Remote control ends the worker when the broker restarts, and lets everybody with access to Redis shut it down.
    "worker_enable_remote_control": False,
    "worker_send_task_events": False,
    # A thread can't be cancelled. Its lease, which does not depend on this connection, says whether it may go on.
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    # Celery would replace the handler that writes JSON lines.
    "worker_hijack_root_logger": False,
    "broker_connection_retry_on_startup": True,
    # By default Celery gives up after 100 tries. A worker waits for the end of any outage.
    "broker_connection_max_retries": None,
    # A server that became a read-only replica, or has no memory or disk left, must not end the worker: it waits.
    "broker_channel_error_retry": True,
    "broker_transport_options": {
        # A connection whose server is silent is given up within seconds; with kombu's defaults it takes 51.
        "socket_timeout": 5,
        "socket_connect_timeout": 2,
        "health_check_interval": 5,
        # kombu would store unacknowledged messages in Redis, for two more round trips a message. The record knows
        # which jobs are unfinished, and the reaper recovers them sooner than kombu would.
        "ack_emulation": False,
    },
}


def make_celery(redis_url: str) -> Celery:
    """Return the Celery app that every process of a deployment must use. Nothing connects yet."""
    app = Celery("triptych", broker=redis_url)
    app.conf.update(_CONFIG)
    return app
