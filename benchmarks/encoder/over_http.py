"""Figures 1b to 1d, and 5b: over HTTP with many texts or one text a request, and against a server that pads."""

import statistics
from collections.abc import Sequence

import msgspec
import numpy as np

from benchmarks.encoder.bare_model import TRUNCATE
from benchmarks.encoder.throughput import Subject, Timed, against_ceiling, check
from benchmarks.harness.http_clients import drive, post
from benchmarks.harness.machine import OtherLoad
from benchmarks.harness.peer_server import start_peer
from benchmarks.harness.report import Figure, spread
from benchmarks.harness.stack import MINILM

ROWS_A_REQUEST = 32
CLIENTS_OF_MANY = 8
CLIENTS_OF_ONE = 64
TARGET_MANY = 0.95
TARGET_ONE = 0.82
TARGET_OUTSIDE = 20.0
TARGET_PEER = 4.0


def measure(subject: Subject, port: int) -> list[Figure]:
    """Return the four figures, measured through the gateway at ``port``."""
    many = against_ceiling(subject, lambda: _many(port, subject.texts), "http")
    one = against_ceiling(subject, lambda: _one(port, subject.texts), "http")
    title = f"1b. HTTP, {ROWS_A_REQUEST} texts a request, {CLIENTS_OF_MANY} clients"
    return [
        Figure("http-32", title, many.ratio, "", "at least", TARGET_MANY, many.parts),
        Figure(
            "http-1",
            f"1c. HTTP, one text a request, {CLIENTS_OF_ONE} clients",
            one.ratio,
            "",
            "at least",
            TARGET_ONE,
            one.parts,
        ),
        one.outside("http-1-cpu", "5b. HTTP, one text a request: CPU outside of the model calls", TARGET_OUTSIDE),
        _against_padding(subject, port),
    ]


def _against_padding(subject: Subject, port: int) -> Figure:
    """Interleave Triptych and the server that pads; both get the same texts from the same clients."""
    app = f"benchmarks.encoder.padded_server:create_app({str(MINILM)!r})"
    threads = str(CLIENTS_OF_ONE + 8)  # a thread for each client, so that batches can become full
    texts, stack = subject.texts, subject.stack
    peer = start_peer(stack, "padded", app, "--worker-class", "gthread", "--threads", threads)
    requests = [post("/embed", {"inputs": text}) for text in texts]
    expected = subject.bare.embed(texts).vectors
    other_load, ours, theirs = OtherLoad(), [], []
    # Fewer rounds than above: the server that pads is about four times slower.
    for _ in range((subject.rounds + 1) // 2):
        ours.append(len(texts) / _one(port, texts).elapsed_s)
        padded = drive(peer, requests, CLIENTS_OF_ONE)
        theirs.append(padded.per_second)
        check(_vectors(padded.bodies), expected)
    stack.stop("padded")
    ratios = [our / their for our, their in zip(ours, theirs, strict=True)]
    parts = [
        f"ratio     {spread(ratios)}",
        f"http      {spread(ours, '.1f')} texts/s",
        f"padded    {spread(theirs, '.1f')} texts/s",
        str(other_load),
    ]
    title = f"1d. The same against a server that pads batches of 32 in arrival order, {CLIENTS_OF_ONE} clients"
    return Figure("http-padded", title, statistics.median(ratios), "", "at least", TARGET_PEER, parts)


def embed_request(inputs: str | list[str]) -> bytes:
    """Return a request to the gateway that embeds one text or many."""
    return post("/v1/embed", {"model": MINILM.name, "inputs": inputs, "parameters": {"truncate": TRUNCATE}})


def _many(port: int, texts: Sequence[str]) -> Timed:
    groups = [list(texts[start : start + ROWS_A_REQUEST]) for start in range(0, len(texts), ROWS_A_REQUEST)]
    run = drive(port, [embed_request(group) for group in groups], CLIENTS_OF_MANY)
    return Timed(run.elapsed_s, np.concatenate([_vectors([body])[0] for body in run.bodies]))


def _one(port: int, texts: Sequence[str]) -> Timed:
    run = drive(port, [embed_request(text) for text in texts], CLIENTS_OF_ONE)
    return Timed(run.elapsed_s, _vectors(run.bodies))


def _vectors(bodies: Sequence[bytes]) -> np.ndarray:
    return np.array([msgspec.json.decode(body) for body in bodies], np.float32)
