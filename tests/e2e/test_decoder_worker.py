"""The decoder worker as a process. Tests submit jobs to the store as a gateway does."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from contracts.generation import Conversation, Message
from contracts.jobs import Job
from tests.e2e.workers import Worker, running_worker
from tests.support.greedy_reference import GreedyReference
from tests.support.paths import STARTERS
from tests.support.valkey import ValkeyServer

MODEL = "starter-generate"
TEXTS = [
    "Poem: the silver moon\n",
    'def area(x, y):\n    """Return the product of x and y."""\n',
    "The",
    "Is 3 odd? é 漢字 🙂",
]
GREEDY = {"do_sample": False, "repetition_penalty": 1.0}
WILD = {"do_sample": True, "temperature": 1.5, "top_k": 0, "top_p": 1.0}
CHAT = {"messages": [{"role": "developer", "content": "Be kind."}, {"role": "user", "content": "My name is Ben."}]}


@pytest.fixture(scope="module")
def decoder(server: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """One worker for all tests, with two threads: if a test leaked a slot, the next ones would run out of them."""
    log = tmp_path_factory.mktemp("log") / "worker.log"
    settings = {"TRIPTYCH_MODELS_DIR": str(STARTERS), "TRIPTYCH_MODELS": MODEL, "TRIPTYCH_CONCURRENCY": "2"}
    with running_worker("decoder", server, log, **settings, TRIPTYCH_THREADS="1") as decoder:
        yield decoder


@pytest.fixture(scope="module")
def reference() -> GreedyReference:
    return GreedyReference(STARTERS / MODEL)


def ended(decoder: Worker, inputs: Any, parameters: dict[str, Any] | None = None, **more: Any) -> Job:
    return decoder.ended(decoder.submit(MODEL, inputs, parameters, task="generate", **more))


def generated(decoder: Worker, inputs: Any, parameters: dict[str, Any] | None = None, **more: Any) -> Any:
    job = ended(decoder, inputs, parameters, **more)
    assert job.status == "succeeded", job.error
    return json.loads(job.output or b"")


def refused(decoder: Worker, inputs: Any, parameters: dict[str, Any] | None = None, **more: Any) -> Any:
    """Return the error of a job that must fail because of its request."""
    job = ended(decoder, inputs, parameters, **more)
    assert job.status == "failed" and job.error is not None
    assert job.error.code in {"invalid_request", "input_too_long"} and not job.error.retryable
    return job.error


def token_ids(sequence: dict[str, Any]) -> list[int]:
    return [token["id"] for token in sequence["details"]["tokens"]]


# -- what it generates ----------------------------------------------------------------------------------------------


def test_greedy_tokens_equal_those_of_a_plain_loop(decoder: Worker, reference: GreedyReference) -> None:
    answers = generated(decoder, TEXTS, {**GREEDY, "max_new_tokens": 40, "details": True})
    for text, answer in zip(TEXTS, answers, strict=True):
        prompt = reference.ids(text)
        expected = reference.greedy(prompt, 40)
        assert token_ids(answer) == expected
        assert answer["generated_text"] == reference.text(prompt, expected)
        assert answer["details"]["generated_tokens"] == len(expected)
        assert answer["details"]["seed"] is None, "greedy search has no seed"
        ends = expected[-1] in reference.ends
        assert answer["finish_reason"] == answer["details"]["finish_reason"] == ("eos_token" if ends else "length")


def test_greedy_tokens_do_not_depend_on_the_batch_composition(decoder: Worker, reference: GreedyReference) -> None:
    others = decoder.submit(MODEL, [f"{text}{n}" for n in range(6) for text in TEXTS], WILD, task="generate")
    answers = generated(decoder, TEXTS, {**GREEDY, "max_new_tokens": 60, "details": True})
    assert [token_ids(answer) for answer in answers] == [reference.greedy(reference.ids(text), 60) for text in TEXTS]
    assert decoder.ended(others).status == "succeeded"


def test_a_conversation_goes_through_the_template(decoder: Worker, reference: GreedyReference) -> None:
    conversation = Conversation([Message("system", "Be kind."), Message("user", "My name is Ben.")])
    rendered = reference.template().render(conversation, param="inputs")
    prompt = reference.ids(rendered, special=False)
    expected = reference.text(prompt, reference.greedy(prompt, 30))
    parameters = {**GREEDY, "max_new_tokens": 30}
    assert generated(decoder, CHAT, parameters)["generated_text"] == expected
    both = generated(decoder, [CHAT, TEXTS[2]], {**parameters, "return_full_text": True})
    assert both[0]["generated_text"] == rendered + expected
    assert both[1]["generated_text"].startswith(TEXTS[2])


def test_a_single_input_has_a_single_answer_and_a_list_has_a_list(decoder: Worker) -> None:
    single = generated(decoder, "The", GREEDY)
    assert generated(decoder, ["The"], GREEDY) == [single]
    assert set(single) == {"generated_text", "finish_reason"}


def test_the_same_seed_samples_the_same_text(decoder: Worker) -> None:
    parameters = {**WILD, "max_new_tokens": 30, "details": True}
    first, again, other = (
        generated(decoder, "The", {**parameters, "seed": seed}) for seed in (2**63 - 1, 2**63 - 1, -(2**63))
    )
    assert token_ids(first) == token_ids(again) != token_ids(other)
    assert (first["details"]["seed"], other["details"]["seed"]) == (2**63 - 1, -(2**63))
    many = generated(decoder, [*TEXTS, "The"], {**parameters, "seed": 2**63 - 1})
    assert token_ids(many[4]) == token_ids(first), "the text depends on the other inputs"


def test_a_default_seed_is_reported_and_samples_the_same_text_again(decoder: Worker) -> None:
    parameters = {**WILD, "max_new_tokens": 30, "details": True}
    first, second = generated(decoder, "The", parameters), generated(decoder, "The", parameters)
    assert token_ids(first) != token_ids(second)
    again = generated(decoder, "The", {**parameters, "seed": first["details"]["seed"]})
    assert token_ids(again) == token_ids(first)


def test_the_best_of_many_are_returned_best_first(decoder: Worker) -> None:
    parameters = {**WILD, "max_new_tokens": 12, "seed": 3, "details": True}
    job = ended(decoder, "The", {**parameters, "n": 6})
    all_six = json.loads(job.output or b"")["sequences"]

    def mean_logprob(sequence: dict[str, Any]) -> float:
        tokens = sequence["details"]["tokens"]
        return float(sum(token["logprob"] for token in tokens) / len(tokens))

    assert [mean_logprob(each) for each in all_six] == sorted(map(mean_logprob, all_six), reverse=True)
    best = generated(decoder, "The", {**parameters, "n": 2, "best_of": 6})
    assert best["sequences"] == all_six[:2]
    assert {name: best[name] for name in all_six[0]} == all_six[0]
    usage = json.loads(job.usage or b"")
    assert usage["tokens_out"] == sum(each["details"]["generated_tokens"] for each in all_six)
    assert usage["items"] == 1 and usage["tokens_in"] == usage["tokens_used"] < usage["tokens_out"]
    assert "sequences" not in generated(decoder, "The", {**parameters, "best_of": 3})
    short = generated(decoder, "The", {**parameters, "n": 2, "best_of": 6, "details": False})
    assert [each["generated_text"] for each in short["sequences"]] == [each["generated_text"] for each in all_six[:2]]


def test_a_stop_string_across_tokens_ends_the_answer(decoder: Worker) -> None:
    whole = generated(decoder, TEXTS[0], {**GREEDY, "max_new_tokens": 40, "details": True})
    tokens = [token["text"] for token in whole["details"]["tokens"]]
    stop = tokens[6][-1:] + tokens[7] + tokens[8][:1]
    assert len(stop) >= 3 and stop in whole["generated_text"]
    answer = generated(
        decoder, TEXTS[0], {**GREEDY, "max_new_tokens": 40, "stop": ["never seen", stop], "details": True}
    )
    assert answer["generated_text"] == whole["generated_text"].partition(stop)[0]
    assert answer["finish_reason"] == "stop_sequence"
    assert answer["details"]["generated_tokens"] <= 9


def test_the_likeliest_alternatives_are_reported(decoder: Worker) -> None:
    answer = generated(decoder, "The", {**GREEDY, "max_new_tokens": 5, "details": True, "top_n_tokens": 3})
    for token, top in zip(answer["details"]["tokens"], answer["details"]["top_tokens"], strict=True):
        assert len(top) == 3 and top[0] == token
        assert 0 >= top[0]["logprob"] >= top[1]["logprob"] >= top[2]["logprob"]


def test_timings_and_usage_are_reported(decoder: Worker) -> None:
    job = ended(decoder, ["The", "Is"], {**GREEDY, "max_new_tokens": 20})
    timings = json.loads(job.timings or b"")
    assert timings["first_token_ms"] > 0 and timings["infer_ms"] > 0
    assert json.loads(job.usage or b"")["items"] == 2
    assert (job.progress_done, job.progress_total) == (2, 2)


# -- what it streams ------------------------------------------------------------------------------------------------


def deltas_of(decoder: Worker, job: Job) -> list[dict[str, Any]]:
    """Return the deltas of a job's events, and check that they were published while the job ran."""
    events = [event for event in decoder.store.events(job.id, "0") if event.name != "progress"]
    assert [event.name for event in events[:2]] == ["queued", "started"] and events[-1].name == "succeeded"
    outputs = [event for event in events if event.name == "output"]
    # How many there are depends on how soon the store answers: what is generated during a call goes into the next.
    assert len(outputs) >= 2 and len(outputs) == len(events) - 3
    assert {event.fields["attempt"] for event in outputs} == {"1"}
    first_ms, last_ms = (int(event.id.partition("-")[0]) for event in (outputs[0], events[-1]))
    assert first_ms < last_ms, "all deltas came at the end"
    return [delta for event in outputs for delta in json.loads(event.fields["pieces"])]


def test_a_streamed_job_publishes_each_text_as_deltas(decoder: Worker) -> None:
    # All tokens are about equally likely, so that no text ends before several deltas were published.
    wildest = {**WILD, "temperature": 100.0, "seed": 5, "max_new_tokens": 200}
    job = ended(decoder, TEXTS[:2], {**wildest, "n": 3, "details": True}, stream=True)
    answers, deltas = json.loads(job.output or b""), deltas_of(decoder, job)
    for number, answer in enumerate(answers):
        for sequence, final in enumerate(answer["sequences"]):
            own = [each for each in deltas if (each.get("input", 0), each.get("sequence", 0)) == (number, sequence)]
            assert "".join(delta.get("text", "") for delta in own) == final["generated_text"]
            assert [token for delta in own for token in delta["tokens"]] == final["details"]["tokens"]
            assert [delta.get("finish_reason") for delta in own] == [None] * (len(own) - 1) + [final["finish_reason"]]


def test_a_job_that_does_not_stream_publishes_no_deltas(decoder: Worker) -> None:
    job = ended(decoder, "The", {**WILD, "max_new_tokens": 60})
    assert decoder.store.events(job.id, "0") == []


def test_the_best_can_not_be_streamed(decoder: Worker) -> None:
    assert refused(decoder, "The", {"best_of": 3, "n": 2}, stream=True).param == "parameters.best_of"


# -- what it refuses, and what it survives ----------------------------------------------------------------------------


def test_a_prompt_that_is_too_long_is_refused_or_truncated(decoder: Worker, reference: GreedyReference) -> None:
    text = "moon " * reference.max_tokens
    error = refused(decoder, ["The", text])
    assert (error.code, error.param) == ("input_too_long", "inputs[1]")
    assert f"takes {reference.max_tokens} together" in error.message
    assert refused(decoder, "The", {"max_new_tokens": reference.max_tokens}).param == "parameters.max_new_tokens"
    room = reference.max_tokens - len(reference.ids(TEXTS[0]))
    assert refused(decoder, TEXTS[0], {"max_new_tokens": room + 1}).param == "inputs"
    assert ended(decoder, TEXTS[0], {"max_new_tokens": room}).status == "succeeded"
    job = ended(decoder, text, {**GREEDY, "truncate": "left", "max_new_tokens": 3})
    usage = json.loads(job.usage or b"")
    assert usage["tokens_in"] > reference.max_tokens == usage["tokens_used"] + 3 and usage["truncated_items"] == 1


HOSTILE: dict[str, dict[str, Any]] = {
    "a wild temperature": {"temperature": 100.0},
    "a temperature near 0": {"temperature": 1e-300},
    "no probability at all": {"top_p": 0.0},
    "almost no probability": {"top_p": 5e-324, "typical_p": 5e-324, "min_p": 1.0},
    "more tokens than there are": {"top_k": 1_000_000},
    "strong penalties": {"repetition_penalty": 100.0, "frequency_penalty": 2.0, "presence_penalty": 2.0},
    "a reward of repetition": {"repetition_penalty": 1e-300, "frequency_penalty": -2.0, "do_sample": True},
    "many long stop strings": {"stop": [f"{n}" * 256 for n in range(10)]},
    "stop strings within each other": {"stop": ["a", "aa", " ", "\n", "e", "\ufffd"]},
    "all alternatives": {"details": True, "top_n_tokens": 20, "best_of": 16, "n": 16},
}
ODD_TEXTS = [
    "\x00",
    " ",
    "\n" * 50,
    "\ufffd",
    "🏳️‍🌈" * 20,
    "<|endoftext|><|user|><|end|>",
    "\u202e\u2028\u0301",
    "a" * 500,
]


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_parameters_and_texts_are_answered(decoder: Worker, kind: str) -> None:
    texts = [*ODD_TEXTS, *({"messages": [{"role": "user", "content": text}]} for text in ODD_TEXTS)]
    answers = generated(decoder, texts, {"max_new_tokens": 8, "seed": 1, "truncate": "left", **HOSTILE[kind]})
    assert len(answers) == len(texts)
    reasons = {answer["finish_reason"] for answer in answers}
    assert reasons <= {"length", "eos_token", "stop_sequence"}


def test_thousands_of_texts_come_back_in_order(decoder: Worker, reference: GreedyReference) -> None:
    texts = [f"{number}" for number in range(1000)]
    answers = generated(decoder, texts, {**GREEDY, "max_new_tokens": 2})
    for number in range(0, 1000, 97):
        prompt = reference.ids(texts[number])
        assert answers[number]["generated_text"] == reference.text(prompt, reference.greedy(prompt, 2))


def test_details_of_millions_of_tokens_are_refused(decoder: Worker) -> None:
    texts = ["The"] * 2048
    error = refused(decoder, texts, {"details": True, "n": 16, "max_new_tokens": 100, "top_n_tokens": 20})
    assert error.param == "parameters.details" and "68812800 tokens" in error.message
    assert len(generated(decoder, texts, {"n": 2, "max_new_tokens": 1})) == 2048


def test_a_role_that_the_template_does_not_know_is_refused_with_its_message(decoder: Worker) -> None:
    error = refused(decoder, {"messages": [{"role": "tool", "content": "4"}]})
    assert error.param == "inputs.messages" and "role" in error.message
