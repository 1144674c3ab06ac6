"""A worker is killed, frozen or terminated in the middle of a long text, and all of it is still translated."""

import json
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.faults.generating_fleet import GeneratingFleet
from tests.faults.slow_seq2seq import MODEL, STEP_S
from tests.faults.stream_clients import EventFollower
from tests.faults.worker_process import Worker
from tests.support.waiting import PATIENCE_S, wait_until

NUM_SENTENCES = 60
SENTENCES = [f"I have {number} apples." for number in range(2, NUM_SENTENCES + 2)]
GAPS = [" ", "\n", "\n\n", "  "]
TEXT = "".join(sentence + GAPS[number % len(GAPS)] for number, sentence in enumerate(SENTENCES))
PARAMETERS = {"tgt_lang": "fr", "generate_parameters": {"max_new_tokens": 24}}
MIN_TRANSLATED = 12
"""How many sentences are translated before the worker is lost."""


class TranslatingFleet(GeneratingFleet):
    """Slow translation workers and a gateway."""

    program = "tests.faults.slow_seq2seq"
    model = MODEL

    def __init__(self, server: Any, folder: Path) -> None:
        super().__init__(server, folder)
        self.environment |= {STEP_S: "0.02", "TRIPTYCH_MAX_ROWS": "4"}

    def request_of(self, text: str | list[str]) -> tuple[str, dict[str, Any]]:
        """Return the task and the request of a job with these inputs."""
        return "translate", {"inputs": text, "parameters": PARAMETERS}

    @cached_property
    def translation(self) -> str:
        """The text with each sentence translated by itself, which a running worker does once."""
        body = {"inputs": SENTENCES, "model": MODEL, "parameters": PARAMETERS}
        answers = [answer["translation_text"] for answer in post(f"{self.gateways[0].url}/v1/translate", body)]
        return "".join(answer + GAPS[number % len(GAPS)] for number, answer in enumerate(answers))


@pytest.fixture(scope="module")
def translating_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TranslatingFleet]:
    with TranslatingFleet.running(tmp_path_factory.mktemp("translating")) as fleet:
        yield fleet


@pytest.fixture
def fleet(translating_stack: TranslatingFleet) -> Iterator[TranslatingFleet]:
    yield translating_stack
    translating_stack.clear()


def post(url: str, body: dict[str, Any]) -> Any:
    answer = httpx.post(url, json=body, timeout=PATIENCE_S)
    assert answer.is_success, answer.text
    return answer.json()


@pytest.mark.parametrize("lose", [Worker.kill, Worker.freeze, Worker.terminate])
def test_a_text_whose_worker_is_lost_half_way_is_translated_completely(
    fleet: TranslatingFleet, lose: Callable[[Worker], None]
) -> None:
    gateway, _ = fleet.start(2)
    body = {"task": "translate", "model": MODEL, "inputs": TEXT, "parameters": PARAMETERS, "stream": True}
    job_id = post(f"{gateway.url}/v1/jobs", body)["id"]
    client = EventFollower(lambda: gateway.url, job_id)

    def half_way() -> bool:
        progress = fleet.job(job_id)
        assert not progress.finished, "the job was done before the worker could be lost"
        return progress.progress_done >= MIN_TRANSLATED

    wait_until(half_way, "the first sentences were not translated")
    assert fleet.job(job_id).progress_total == NUM_SENTENCES
    lose(fleet.worker_of(job_id))
    client.end()
    (job,) = fleet.assert_each_ended_once([job_id]).values()
    assert (job.status, job.attempt, job.crashes) == ("succeeded", 2, int(lose is not Worker.terminate))
    assert (job.progress_done, job.progress_total) == (NUM_SENTENCES, NUM_SENTENCES)

    translation = fleet.translation
    assert client.attempts == [1, 2]
    assert client.texts_of_attempt(2) == [translation], "the second attempt must stream the complete text"
    (first,) = client.texts_of_attempt(1)
    assert translation.startswith(first) and len(first) > len(translation) / 10
    assert json.loads(job.output or b"")["translation_text"] == translation
    assert fleet.worker_of(job_id).alive()
