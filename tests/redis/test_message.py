"""Step 3: the message that the scripts push is like one that Celery sends, so kombu can transport it."""

import json
from base64 import b64decode
from collections.abc import Callable
from typing import Any

import pytest
import redis
from celery import Celery
from celery.worker.request import Request
from kombu import Consumer, Queue

from contracts.jobs import RUN_TASK
from contracts.store.celery_app import make_celery
from tests.redis.builders import QUEUE, submit
from tests.support.job_store import JobStore
from tests.support.valkey import ValkeyServer
from tests.support.waiting import PATIENCE_S, wait_until


@pytest.fixture
def app(server: ValkeyServer) -> Any:
    app = make_celery(server.url)

    @app.task(name=RUN_TASK, shared=False)
    def run() -> None:
        """What a worker registers."""

    yield app
    app.close()


def submit_two(store: JobStore) -> None:
    """Let jobs wait. For the first one the message is in the list of newcomers."""
    for _ in range(2):
        submit(store)


def body_of(message: dict[str, Any]) -> Any:
    """Decode a body as kombu does: by the encoding that the message names."""
    encoded = message["properties"].get("body_encoding") == "base64"
    return json.loads(b64decode(message["body"]) if encoded else message["body"])


def test_it_has_the_content_of_celerys_own_message(store: JobStore, client: redis.Redis, app: Celery) -> None:
    submit_two(store)
    ours = json.loads(client.rpop(QUEUE))
    app.send_task(RUN_TASK, queue=QUEUE, ignore_result=True)
    celerys = json.loads(client.rpop(QUEUE))

    assert body_of(ours)[:2] == body_of(celerys)[:2] == [[], {}]
    for name in ("content-type", "content-encoding"):
        assert ours[name] == celerys[name]
    for name in ("lang", "task", "ignore_result"):
        assert ours["headers"][name] == celerys["headers"][name]
    for name in ("delivery_info", "delivery_mode"):
        assert ours["properties"][name] == celerys["properties"][name]
    # Each field of the store's message is also in Celery's, and has the same type.
    for part in ("headers", "properties"):
        for name, value in ours[part].items():
            assert type(value) is type(celerys[part][name]), name


def receive(app: Celery, on_message: Callable[[Any], None]) -> None:
    """Take one message from the queue as a worker's consumer does."""
    got: list[Any] = []
    with app.connection_for_read() as connection:
        queue = Queue(QUEUE, routing_key=QUEUE, exchange="")

        def arrived(message: Any) -> None:
            on_message(message)
            got.append(message)

        with Consumer(connection, queues=[queue], on_message=arrived, accept=["json"]):
            wait_until(lambda: connection.drain_events(timeout=PATIENCE_S) or got, "no message came")


def test_celerys_worker_reads_it_as_a_request_for_the_task(store: JobStore, client: redis.Redis, app: Celery) -> None:
    submit_two(store)

    def read(message: Any) -> None:
        request = Request(message, app=app, task=app.tasks[RUN_TASK])
        args, kwargs, _ = message.payload
        assert (request.name, args, kwargs, request.ignore_result) == (RUN_TASK, [], {}, True)
        assert message.delivery_info == {"exchange": "", "routing_key": QUEUE}
        message.ack()

    receive(app, read)
    assert client.llen(QUEUE) == 0


def test_a_message_that_a_worker_rejects_returns_to_its_queue(
    store: JobStore, client: redis.Redis, app: Celery
) -> None:
    """kombu restores a message by its delivery_info. Without it, a message would vanish or go to another queue."""
    submit_two(store)
    receive(app, lambda message: message.requeue())
    assert client.llen(QUEUE) == 1

    def back(message: Any) -> None:
        assert message.payload[0] == []
        message.ack()

    receive(app, back)
    assert client.llen(QUEUE) == 0
