"""The peer of the submit figure: a view as in Flask's and Celery's guides, which only publishes a message.

Its 202 means that a message was sent. There is no record, so no client can look up the job, and a lost message is a
lost job.
"""

import os

from celery import Celery
from flask import Flask, Response, jsonify, request

QUEUE = "plain"


def create_app() -> Flask:
    """Return the WSGI app; its broker is the store of the stack."""
    app = Flask(__name__)
    celery = Celery("plain", broker=os.environ["TRIPTYCH_REDIS_URL"])
    celery.conf.task_default_queue = QUEUE  # a list of its own, whose length is the number of messages

    @celery.task(name="embed")  # type: ignore[untyped-decorator]
    def embed(text: str) -> None:
        """Never runs: the benchmark has no worker."""

    @app.get("/ready")
    def ready() -> Response:
        return jsonify("ok")

    @app.post("/submit")
    def submit() -> tuple[Response, int]:
        job = embed.delay(request.get_json()["inputs"])
        return jsonify(id=job.id), 202

    return app
