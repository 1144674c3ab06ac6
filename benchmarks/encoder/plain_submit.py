"""The peer of the submit figure: the view that Flask's and Celery's guides teach, with nothing but a publish in it.

Its 202 says that a message was sent. There is no record, so nobody can ask for the job, and if the message is lost,
so is the job.
"""

import os

from celery import Celery
from flask import Flask, Response, jsonify, request

QUEUE = "plain"


def create_app() -> Flask:
    """Return the server's app; its broker is the store of the stack."""
    app = Flask(__name__)
    celery = Celery("plain", broker=os.environ["TRIPTYCH_REDIS_URL"])
    celery.conf.task_default_queue = QUEUE

    @celery.task(name="embed")
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
