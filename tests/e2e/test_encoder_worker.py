"""The encoder worker as a process, on models with known answers. Tests submit jobs to the store as a gateway does."""

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contracts.jobs import queue_of
from contracts.store.message import MESSAGE_TEMPLATE
from tests.e2e.workers import Worker, running_worker
from tests.support.tiny_package import WORDS, token_vectors, write_package
from tests.support.valkey import ValkeyServer
from tests.support.waiting import PATIENCE_S, wait_until

SIZE = 8
TABLE = token_vectors(SIZE)
QUEUE = queue_of("tiny")


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packages")
    write_package(folder / "tiny", size=SIZE)
    write_package(folder / "moods", task="classify", labels=["low", "middle", "high"])
    return folder


@pytest.fixture(scope="module")
def encoder(server: ValkeyServer, packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """One worker for all tests that leave it running, for two jobs: one that stayed in hand would be noticed."""
    log = tmp_path_factory.mktemp("log") / "worker.log"
    settings = {"TRIPTYCH_MODELS_DIR": str(packages), "TRIPTYCH_CONCURRENCY": "2", "TRIPTYCH_THREADS": "1"}
    with running_worker("encoder", server, log, **settings) as encoder:
        yield encoder


def expected(*texts: str) -> "np.ndarray[Any, Any]":
    """Return the vectors of texts by the definition of the tiny model: the normalized mean of the tokens' vectors."""
    rows = []
    for text in texts:
        ids = [WORDS.index(word) for word in ("[CLS]", *text.split(), "[SEP]")]
        mean = TABLE[ids].mean(axis=0)
        rows.append(mean / np.linalg.norm(mean))
    return np.array(rows)


# -- what it answers ------------------------------------------------------------------------------------------------


def test_one_text_gives_one_vector(encoder: Worker) -> None:
    np.testing.assert_allclose(encoder.answer("tiny", "w1 w2 w3"), expected("w1 w2 w3")[0], atol=1e-6)


def test_a_list_of_texts_gives_a_list_of_vectors(encoder: Worker) -> None:
    np.testing.assert_allclose(encoder.answer("tiny", ["w1", "w2 w5"]), expected("w1", "w2 w5"), atol=1e-6)
    np.testing.assert_allclose(encoder.answer("tiny", ["w9"]), expected("w9"), atol=1e-6)


def test_vectors_have_the_requested_dimensions_and_normalization(encoder: Worker) -> None:
    cut = encoder.answer("tiny", "w1 w2", {"dimensions": 3})
    assert len(cut) == 3 and np.linalg.norm(cut) == pytest.approx(1, abs=1e-6)
    raw = encoder.answer("tiny", "w1", {"normalize": False})
    np.testing.assert_allclose(raw, TABLE[[2, 5, 3]].mean(axis=0), atol=1e-6)


def test_scores_have_the_shape_of_the_inputs(encoder: Worker) -> None:
    one = encoder.answer("moods", "w1", task="classify")
    assert {"low", "middle", "high"} == {entry["label"] for entry in one}
    assert sum(entry["score"] for entry in one) == pytest.approx(1)
    assert [entry["score"] for entry in one] == sorted((entry["score"] for entry in one), reverse=True)

    mixed = encoder.answer("moods", ["w1", {"text": "w1", "text_pair": "w7"}], {"top_k": 1}, task="classify")
    assert mixed[0] == one[:1] and len(mixed) == 2 and len(mixed[1]) == 1
    pair = encoder.answer("moods", {"text": "w1", "text_pair": "w7"}, task="classify")
    assert pair[:1] == mixed[1]


def test_two_thousand_inputs_are_answered_in_order_and_counted(encoder: Worker) -> None:
    texts = [" ".join(f"w{(index * 7 + position) % 96}" for position in range(index % 40 + 1)) for index in range(2048)]
    job = encoder.ended(encoder.submit("tiny", texts))
    np.testing.assert_allclose(json.loads(job.output or b""), expected(*texts), atol=1e-6)
    num_tokens = sum(len(text.split()) + 2 for text in texts)
    assert json.loads(job.usage or b"") == {
        "items": 2048, "tokens_in": num_tokens, "tokens_used": num_tokens, "truncated_items": 0,
    }  # fmt: skip
    assert (job.progress_done, job.progress_total) == (2048, 2048)
    assert encoder.store.events(job.id, "0") == [], "nobody follows the job"


def test_a_text_that_is_too_long_is_refused_by_its_index_unless_it_may_be_truncated(encoder: Worker) -> None:
    texts = ["w1", " ".join(["w2"] * 100)]
    job = encoder.ended(encoder.submit("tiny", texts))
    assert job.status == "failed" and job.error is not None
    assert (job.error.code, job.error.param, job.error.retryable) == ("input_too_long", "inputs[1]", False)
    assert "102 tokens; the model takes 64" in job.error.message

    cut = encoder.ended(encoder.submit("tiny", texts, {"truncate": "right"}))
    usage = json.loads(cut.usage or b"")
    assert (usage["tokens_in"], usage["tokens_used"], usage["truncated_items"]) == (105, 67, 1)
    np.testing.assert_allclose(json.loads(cut.output or b""), expected("w1", " ".join(["w2"] * 62)), atol=1e-6)


def test_more_dimensions_than_the_model_has_is_the_clients_error(encoder: Worker) -> None:
    job = encoder.ended(encoder.submit("tiny", "w1", {"dimensions": 9}))
    assert job.error is not None
    assert (job.error.code, job.error.param) == ("invalid_request", "parameters.dimensions")


# -- what it survives -----------------------------------------------------------------------------------------------


def message(**changes: Any) -> dict[str, Any]:
    """Return a message like those of the store, with parts replaced."""
    filled = MESSAGE_TEMPLATE.replace("@TAG@", secrets.token_hex(8)).replace("@QUEUE@", QUEUE)
    parts: dict[str, Any] = json.loads(filled) | changes
    return {name.replace("_", "-"): part for name, part in parts.items() if part is not ...}


def properties(**changes: Any) -> dict[str, Any]:
    """Return the properties of such a message with some replaced."""
    return message()["properties"] | changes


def headers(**changes: Any) -> dict[str, Any]:
    """Return the headers of such a message with some replaced, and without those that are ``...``."""
    return {name: value for name, value in (message()["headers"] | changes).items() if value is not ...}


def body(*arguments: Any, **keywords: Any) -> str:
    """Return a body with these arguments."""
    return json.dumps([arguments, keywords, {}])


GARBAGE: dict[str, Any] = {
    "not JSON": b"hello",
    "not UTF-8": b"\xff\xfe\x00",
    "a number": b"5",
    "null": b"null",
    "a list": b"[]",
    "an empty object": b"{}",
    "JSON too deep to parse": b"[" * 200_000,
    "a body too deep to parse": message(body="[" * 100_000),
    "a body that is not JSON": message(body="}{"),
    "no body": message(body=...),
    "a body that is a number": message(body="5"),
    "a body of another shape": message(body='{"a": 1}'),
    "a body in an unknown encoding": message(properties=properties(body_encoding="rot13")),
    "pickle": message(**{"content-type": "application/x-python-serialize", "content-encoding": "binary"}),
    "pickle in base64": message(
        body="gASVGAAAAAAAAACMAm9zlIwGc3lzdGVtlJOUjARleGl0lIWUUpQu",
        properties=properties(body_encoding="base64"),
        **{"content-type": "application/x-python-serialize"},
    ),
    "an unknown content type": message(**{"content-type": "text/x-nope"}),
    "an unknown content encoding": message(**{"content-encoding": "nope"}),
    "compressed and not compressed": message(headers=headers(compression="zlib")),
    "an unknown compression": message(headers=headers(compression="nope")),
    "an unknown task": message(headers=headers(task="os.system")),
    "an unknown task without an id": message(headers={"task": "os.system"}),
    "a task that is a list": message(headers=headers(task=[])),
    "no headers": message(headers=...),
    "headers that are a text": message(headers="x"),
    "a message without an id": message(headers=headers(id=...)),
    "too many arguments": message(body=body(1, 2, 3)),
    "no arguments": message(body=body()),
    "other arguments": message(body=body(a=1)),
    "a number for a job id": message(body=body(5)),
    "a list for a job id": message(body=body([])),
    "a long text for a job id": message(body=body("x" * 1_000_000)),
    "half a character for a job id": message(body='[["\\ud800"],{},{}]'),
    "a type of kombu's in the body": message(body=body({"__type__": "datetime", "__value__": "x"})),
    "an unknown type of kombu's in the body": message(body=body({"__type__": "nope", "__value__": 1})),
    "an unknown type of kombu's": {"__type__": "nope", "__value__": 1},
    "no properties": message(properties=...),
    "empty properties": message(properties={}),
    "no delivery info": message(properties={"delivery_tag": "t1"}),
    "empty delivery info": message(properties={"delivery_tag": "t2", "delivery_info": {}}),
    "a delivery tag that is a list": message(properties=properties(delivery_tag=[1])),
    "an invalid time": message(headers=headers(eta="soon")),
    "an invalid expiry": message(headers=headers(expires="soon")),
    "an invalid time limit": message(headers=headers(timelimit="soon")),
    "invalid callbacks": message(body=json.dumps([["x" * 22], {}, {"callbacks": 5}])),
    "half of the old protocol": message(headers={}, body=json.dumps({"task": "triptych.run"})),
    "a message of an older version": message(body=body("x" * 22)),
    "another queue": message(properties=properties(delivery_info={"exchange": "", "routing_key": "nope"})),
    "a queue that is a number": message(properties=properties(delivery_info={"exchange": "", "routing_key": 5})),
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_in_the_queue_is_dropped_and_the_next_job_runs(encoder: Worker, kind: str) -> None:
    """There are three messages of each kind. None may stay, return or keep the worker from the next one."""
    garbage = GARBAGE[kind]
    raw = garbage if isinstance(garbage, bytes) else json.dumps(garbage).encode()
    for _ in range(3):
        encoder.client.lpush(QUEUE, raw)
    assert encoder.ended(encoder.submit("tiny", "w1")).status == "succeeded"
    wait_until(lambda: encoder.client.llen(QUEUE) == 0, "the message is still in the queue")


def test_lost_connections_are_restored(encoder: Worker) -> None:
    for _ in range(2):
        encoder.lose_connections()
        assert encoder.ended(encoder.submit("tiny", "w1")).status == "succeeded"


def test_the_log_has_only_lines_of_json(encoder: Worker) -> None:
    """It runs after the tests above, so the log has a start, garbage and lost connections."""
    encoder.answer("tiny", "w1")
    lines = encoder.log().splitlines()
    for line in lines:
        assert set(json.loads(line)) >= {"time", "level", "message"}, line
    assert any('"ready"' in line for line in lines)
    for noise in ("CPendingDeprecationWarning", "SecurityWarning", "superuser", "[queues]"):
        assert noise not in encoder.log()


# -- how it stops ---------------------------------------------------------------------------------------------------


def test_on_sigterm_running_jobs_are_finished_and_the_others_stay_queued(
    valkey_server: ValkeyServer, packages: Path, tmp_path: Path
) -> None:
    settings = {"TRIPTYCH_MODELS_DIR": str(packages), "TRIPTYCH_CONCURRENCY": "1", "TRIPTYCH_THREADS": "1"}
    texts = [" ".join(["w1"] * 60)] * 2048
    with running_worker("encoder", valkey_server, tmp_path / "first.log", **settings) as encoder:
        ids = [encoder.submit("tiny", texts) for _ in range(12)]
        wait_until(lambda: encoder.job(ids[0]).status != "queued", "the first job did not start")
        assert encoder.terminate() == 0, encoder.log()
        states = [encoder.job(job_id).status for job_id in ids]
        assert set(states) <= {"succeeded", "queued"} and "queued" in states and states[0] == "succeeded", states
        assert all(encoder.job(job_id).crashes == 0 for job_id in ids)
    with running_worker("encoder", valkey_server, tmp_path / "second.log", **settings) as second:
        assert {second.ended(job_id).status for job_id in ids} == {"succeeded"}


def test_a_worker_without_jobs_stops_at_once_and_deregisters(
    valkey_server: ValkeyServer, packages: Path, tmp_path: Path
) -> None:
    settings = {"TRIPTYCH_MODELS_DIR": str(packages), "TRIPTYCH_DRAIN_S": str(2 * PATIENCE_S)}
    with running_worker("encoder", valkey_server, tmp_path / "worker.log", **settings) as encoder:
        assert encoder.terminate() == 0
        assert encoder.client.scard("triptych:workers") == 0
        assert encoder.client.scard("triptych:models") == 2, "clients may submit jobs while there is no worker"
