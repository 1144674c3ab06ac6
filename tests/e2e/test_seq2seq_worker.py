"""The seq2seq worker as a process with the three starters. Tests submit jobs to the store as a gateway does."""

import itertools
import json
import random
import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from contracts.jobs import Job
from contracts.seq2seq import Edit
from contracts.store.registry import Registry
from onnx_models.starter.translate.parallel import TARGETS
from onnx_models.starter.translate.phrases import held_out_phrase
from tests.e2e.workers import Worker, running_worker
from tests.support.editing import applied
from tests.support.paths import STARTERS
from tests.support.valkey import ValkeyServer

TRANSLATE, SUMMARIZE, DENOISE = "starter-translate", "starter-summarize", "starter-denoise"
TASKS = {TRANSLATE: "translate", SUMMARIZE: "summarize", DENOISE: "denoise"}
SETTINGS = {"TRIPTYCH_MODELS_DIR": str(STARTERS), "TRIPTYCH_THREADS": "1", "TRIPTYCH_CONCURRENCY": "2"}
TO_GERMAN = {"src_lang": "en", "tgt_lang": "de"}
_PLAIN = re.compile(r"[A-Z].*(?<!\.m)[.?!]")
NUM_PAGES, PAGE = 100, 20
"""How many pages a long text has, and how many sentences a page."""


@pytest.fixture(scope="module")
def worker(server: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """One worker for all tests, with two threads: if a test leaked a slot, the next ones would run out of them."""
    with running_worker("seq2seq", server, tmp_path_factory.mktemp("log") / "worker.log", **SETTINGS) as worker:
        yield worker


def ended(worker: Worker, model: str, inputs: Any, parameters: dict[str, Any] | None = None, **more: Any) -> Job:
    return worker.ended(worker.submit(model, inputs, parameters, task=TASKS[model], **more))


def answered(worker: Worker, model: str, inputs: Any, parameters: dict[str, Any] | None = None, **more: Any) -> Any:
    job = ended(worker, model, inputs, parameters, **more)
    assert job.status == "succeeded", job.error
    return json.loads(job.output or b"")


def translated(worker: Worker, texts: Any, **parameters: Any) -> Any:
    found = answered(worker, TRANSLATE, texts, {**TO_GERMAN, **parameters})
    return [each["translation_text"] for each in found] if isinstance(found, list) else found["translation_text"]


def refused(worker: Worker, model: str, inputs: Any, parameters: dict[str, Any] | None = None) -> Any:
    """Return the error of a job that must fail because of its request."""
    job = ended(worker, model, inputs, parameters)
    assert job.status == "failed" and job.error is not None
    assert job.error.code in {"invalid_request", "input_too_long"} and not job.error.retryable
    return job.error


def usage(job: Job) -> dict[str, int]:
    found: dict[str, int] = json.loads(job.usage or b"")
    return found


def sentences(number: int) -> list[dict[str, str]]:
    """Return held-out sentences that the worker splits at their ends and nowhere else."""
    rng = random.Random(f"pages {number}")
    drawn = (held_out_phrase(rng, "sentence").text for _ in itertools.count())
    plain = (text for text in drawn if _PLAIN.fullmatch(text["en"]))
    return list(itertools.islice(plain, number))


# -- what it generates ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", TARGETS)
def test_sentences_are_translated_into_each_language(worker: Worker, code: str) -> None:
    phrases = sentences(60)
    found = translated(worker, [each["en"] for each in phrases], tgt_lang=code)
    assert sum(answer == each[code] for answer, each in zip(found, phrases, strict=True)) >= 0.9 * len(phrases)


def test_languages_are_announced(worker: Worker) -> None:
    cards = Registry(worker.client).models()
    assert cards[TRANSLATE].source_languages == {"en": "English"}
    assert cards[TRANSLATE].target_languages == {"de": "German", "es": "Spanish", "fr": "French"}


def test_a_text_of_a_hundred_pages_is_translated_completely_and_in_order(worker: Worker) -> None:
    phrases = sentences(NUM_PAGES * PAGE)
    separators = [
        "\n\n" if number % PAGE == PAGE - 1 else " " if number % 2 else "\n" for number in range(len(phrases))
    ]
    text = "".join(each["en"] + separator for each, separator in zip(phrases, separators, strict=True))
    job = ended(worker, TRANSLATE, text, TO_GERMAN, stream=True)
    assert job.status == "succeeded", job.error
    found = json.loads(job.output or b"")["translation_text"]
    separate = translated(worker, [each["en"] for each in phrases])
    assert found == "".join(answer + separator for answer, separator in zip(separate, separators, strict=True))
    assert usage(job)["chunks"] == len(phrases) == job.progress_done == job.progress_total
    assert usage(job)["tokens_in"] == usage(job)["tokens_used"] and usage(job)["truncated_items"] == 0

    events = worker.store.events(job.id, "0")
    progress = [int(event.fields["done"]) for event in events if event.name == "progress"]
    assert len(progress) >= 2 and progress == sorted(progress)
    assert {event.fields["total"] for event in events if event.name == "progress"} == {str(len(phrases))}
    deltas = [delta for event in events if event.name == "output" for delta in json.loads(event.fields["pieces"])]
    assert found == "".join(delta.get("text", "") for delta in deltas)


def test_a_long_report_is_summarised_in_chunks(worker: Worker) -> None:
    report = "Rain fell on the hills near the river. The road to the north stayed closed all day. " * 120
    job = ended(worker, SUMMARIZE, report)
    assert job.status == "succeeded", job.error
    summary = json.loads(job.output or b"")["summary_text"]
    assert 0 < len(summary) < len(report) / 10
    assert usage(job)["chunks"] > 3 and usage(job)["tokens_used"] >= usage(job)["tokens_in"], "chunks must overlap"
    assert job.progress_done == job.progress_total


def test_edits_turn_the_input_into_the_corrected_text(worker: Worker) -> None:
    text = "The  dog sleeps in teh garden.\n\nMy sister  plays the pianno"
    found = answered(worker, DENOISE, text)
    edits = msgspec.convert(found["edits"], list[Edit])
    assert applied(text, edits) == found["corrected_text"] != text
    assert "\n\n" in found["corrected_text"]


def test_markup_is_kept(worker: Worker) -> None:
    text = '<p class="a&amp;b">It is <b>noon</b>.<br/></p><!-- It is noon. --><script>noon()</script>'
    found = translated(worker, text, format="html")
    assert found.startswith('<p class="a&amp;b">') and "<b>" in found
    assert found.endswith("<br/></p><!-- It is noon. --><script>noon()</script>")
    assert "noon</b>" not in found


@pytest.mark.parametrize("model", TASKS)
def test_beam_search_returns_the_best_sequences(worker: Worker, model: str) -> None:
    parameters: dict[str, Any] = TO_GERMAN if model == TRANSLATE else {}
    many = {"generate_parameters": {"num_beams": 4, "num_return_sequences": 3}}
    found = answered(worker, model, "The train leaves at half past seven.", parameters | many)
    texts = [next(value for name, value in each.items() if name.endswith("_text")) for each in found["sequences"]]
    assert len(set(texts)) == 3
    best = answered(
        worker, model, "The train leaves at half past seven.", parameters | {"generate_parameters": {"num_beams": 4}}
    )
    assert {name: found[name] for name in best} == best


def test_answers_do_not_depend_on_the_batch_composition(worker: Worker) -> None:
    texts = [each["en"] for each in sentences(24)]
    isolated = [translated(worker, text) for text in texts[:6]]
    beam_search = {"generate_parameters": {"num_beams": 3}}
    others = [
        worker.submit(
            TRANSLATE,
            texts,
            {**TO_GERMAN, "generate_parameters": {"do_sample": True, "temperature": 2.0}},
            task="translate",
        ),
        worker.submit(TRANSLATE, texts, {**TO_GERMAN, **beam_search}, task="translate"),
    ]
    assert translated(worker, texts)[:6] == isolated
    assert {worker.ended(job_id).status for job_id in others} == {"succeeded"}


def test_sampling_is_reproducible_by_its_seed(worker: Worker) -> None:
    sampling = {"do_sample": True, "temperature": 3.0, "num_return_sequences": 4, "seed": 5}
    first, again = (
        answered(worker, TRANSLATE, "It is noon.", {**TO_GERMAN, "generate_parameters": sampling}) for _ in range(2)
    )
    assert first == again
    assert len({each["translation_text"] for each in first["sequences"]}) > 1


# -- what it refuses --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "param", "message"),
    [
        ({"tgt_lang": "xx"}, "parameters.tgt_lang", "de"),
        ({"src_lang": "de", "tgt_lang": "fr"}, "parameters.src_lang", "en"),
        ({"src_lang": "en", "tgt_lang": "en"}, "parameters.tgt_lang", "en"),
        ({}, "parameters.tgt_lang", "de"),
        ({**TO_GERMAN, "generate_parameters": {"max_new_tokens": 100_000}}, "max_new_tokens", "most"),
        ({**TO_GERMAN, "generate_parameters": {"min_new_tokens": 100_000}}, "min_new_tokens", "most"),
        ({**TO_GERMAN, "generate_parameters": {"num_return_sequences": 2}}, "num_return_sequences", "num_beams"),
        ({**TO_GERMAN, "generate_parameters": {"forced_bos_token_id": 10**9}}, "forced_bos_token_id", "tokens"),
        ({**TO_GERMAN, "truncate": "error"}, "inputs", "chunk"),
    ],
)  # fmt: skip
def test_invalid_requests_are_refused_by_name(
    worker: Worker, parameters: dict[str, Any], param: str, message: str
) -> None:
    text = "It is noon. " * (300 if parameters.get("truncate") else 1)
    error = refused(worker, TRANSLATE, text, parameters)
    assert error.param is not None and error.param.endswith(param), error
    assert message in error.message


def test_a_text_is_truncated_only_on_request(worker: Worker) -> None:
    text = "It is noon. " * 300
    right = ended(worker, TRANSLATE, text, {**TO_GERMAN, "truncate": "right"})
    assert right.status == "succeeded"
    assert usage(right)["tokens_used"] < usage(right)["tokens_in"] and usage(right)["truncated_items"] == 1
    chunked = ended(worker, TRANSLATE, text, TO_GERMAN)
    assert usage(chunked)["chunks"] == 300 and usage(chunked)["truncated_items"] == 0


@pytest.mark.parametrize("text", ["x" * 1_000_000, "漢" * 100_000, ". " * 50_000], ids=["letters", "signs", "dots"])
def test_a_huge_text_does_not_block_other_jobs(worker: Worker, text: str) -> None:
    """Another job is answered while the huge text is translated or refused, however long that takes."""
    huge = worker.submit(TRANSLATE, text, TO_GERMAN, task="translate", timeout_s=20)
    assert translated(worker, "It is noon.")
    job = worker.ended(huge)
    assert job.status == "succeeded" or (job.error and job.error.code in {"invalid_request", "execution_timeout"}), job
    assert worker.process.poll() is None
