"""The peer of the HTTP figures: a server that batches waiting texts in arrival order and pads them to the longest.

A first version of a batching server works like this, and here it is done as well as the idea allows: the same model and
session as the worker's, tokenization outside of the inference thread, a batch as soon as one can start, no queue and
no store. Only the composition of a batch differs.
"""

import queue
import threading
from concurrent.futures import Future
from pathlib import Path

import numpy as np
from flask import Flask, Response, jsonify, request

from benchmarks.encoder.bare_model import BareModel
from workers.encoder.pooling import Floats, normalized
from workers.runtime.tokenizing.tokenizer import TokenRow

MAX_ROWS = 32
Waiting = queue.SimpleQueue[tuple[TokenRow, "Future[Floats]"]]


def create_app(package: str) -> Flask:
    """Return the WSGI app, with its inference thread running."""
    app = Flask(__name__)
    bare = BareModel(Path(package))
    waiting: Waiting = queue.SimpleQueue()
    threading.Thread(target=_infer, args=(bare, waiting), daemon=True).start()

    @app.get("/ready")
    def ready() -> Response:
        return jsonify("ok")

    @app.post("/embed")
    def embed() -> Response:
        (row,) = bare.rows([request.get_json()["inputs"]])
        answer: Future[Floats] = Future()
        waiting.put((row, answer))
        return jsonify(answer.result().tolist())

    return app


def _infer(bare: BareModel, waiting: Waiting) -> None:
    while True:
        batch = [waiting.get()]
        # No other thread takes from the queue, so one that is not empty has a row for the next `get`.
        while len(batch) < MAX_ROWS and not waiting.empty():
            batch.append(waiting.get())
        vectors = normalized(np.stack(bare.model.run([row for row, _ in batch])))
        for (_, answer), vector in zip(batch, vectors, strict=True):
            answer.set_result(vector)
