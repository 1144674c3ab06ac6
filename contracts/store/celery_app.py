"""The one Celery configuration of the system, which every worker uses.

Celery on Redis loses and doubles messages, so a message is only a wake-up: it carries a job id, and the record in the
job store decides whether there is anything to do (docs/decisions/0018). Step 3 on the path of a job.
"""

from celery import Celery


def make_celery(redis_url: str) -> Celery:
    """Return the Celery app that every process of a deployment must use; nothing connects yet."""
    app = Celery("triptych", broker=redis_url)
    app.conf.update(
        # Early acks and our own lease: with late acks Celery on Redis runs jobs twice on every reconnect, leaks a
        # slot on MemoryError (celery#10462) and exits on a Redis restart.
        task_acks_late=False,
        # No result backend: the job store is the one source of truth.
        result_backend=None,
        task_ignore_result=True,
        # The reaper is the retry; a publish that blocks would only hold up its caller.
        task_publish_retry=False,
        task_serializer="json",
        accept_content=["json"],
        worker_prefetch_multiplier=1,
        # With threads and early acks this would take one message a second.
        worker_disable_prefetch=False,
        # Remote control brings down the worker on a broker restart, and lets anyone on Redis shut it down.
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        # A read-only replica, full memory or a full disk is waited out instead of ending the worker.
        broker_channel_error_retry=True,
        broker_transport_options={
            "socket_timeout": 5,
            "socket_connect_timeout": 2,
            "health_check_interval": 5,
            # The record knows which jobs are unfinished. kombu's own book of unacknowledged messages in Redis would
            # cost two round trips a message, and bring nothing back that the reaper does not bring back sooner.
            "ack_emulation": False,
        },
    )
    return app
