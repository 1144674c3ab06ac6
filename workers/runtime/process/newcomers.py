"""Celery's part that listens for newcomers: jobs of flows that had none in their queue. Step 3 on the path of a job.

A worker that is full listens for nothing else (transport.py).
"""

from collections.abc import Callable, Collection
from typing import Any

from celery import bootsteps
from kombu.common import ignore_errors
from kombu.entity import Queue
from kombu.messaging import Consumer

from contracts.jobs import newcomers_of


class _Newcomers(bootsteps.StartStopStep):  # type: ignore[misc]
    """A step of Celery's consumer, with a channel of its own. It starts anew with each connection."""

    requires = ("celery.worker.consumer.tasks:Tasks",)
    lists: Collection[str]
    """For newcomers, of the queues that the worker serves."""
    wake: Callable[[str], None]

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self._consumer: Consumer | None = None

    def start(self, parent: Any) -> None:
        # An empty exchange: there is nothing to bind, and workers store nothing.
        listened = [Queue(name, exchange="", routing_key=name) for name in self.lists]  # type: ignore[no-untyped-call]
        self._channel = parent.connection.channel()
        self._consumer = Consumer(  # type: ignore[no-untyped-call]
            self._channel, listened, on_message=self._handle, accept=["json"], no_ack=True
        )
        self._consumer.consume()  # type: ignore[no-untyped-call]

    def stop(self, parent: Any) -> None:
        if self._consumer:
            ignore_errors(parent, self._consumer.cancel)  # type: ignore[no-untyped-call]

    def shutdown(self, parent: Any) -> None:
        if self._consumer:
            self.stop(parent)
            ignore_errors(parent, self._channel.close)  # type: ignore[no-untyped-call]
            self._consumer = None

    def _handle(self, message: Any) -> None:
        # Anybody who can write to the store may have written it.
        name = message.delivery_info.get("routing_key")
        if name in self.lists:
            self.wake(name)


def newcomer_step(queues: Collection[str], wake: Callable[[str], None]) -> type:
    """Return a step of Celery's consumer that listens for newcomers. Celery makes it by itself, on a class.

    Args:
        queues: of models.
        wake: called with the list for newcomers of a queue when a message was in it. It must not wait.
    """
    lists = sorted(map(newcomers_of, queues))
    return type("Newcomers", (_Newcomers,), {"lists": lists, "wake": staticmethod(wake)})
