"""The decoder worker as a process, fed through the job store as a gateway would: what it writes and what it refuses."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from contracts.generation import Conversation, Message
from contracts.jobs import Job
from tests.e2e.workers import Worker, running_worker
from tests.support.plain_writer import PlainWriter
from tests.support.valkey import ValkeyServer, running_valkey
from tests.support.versions import STARTERS

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
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    with running_valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture(scope="module")
def decoder(server: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """One worker for all tests here. Two jobs at a time: a slot that leaks would be missed at once."""
    log = tmp_path_factory.mktemp("log") / "worker.log"
    settings = {"TRIPTYCH_MODELS_DIR": str(STARTERS), "TRIPTYCH_MODELS": MODEL, "TRIPTYCH_CONCURRENCY": "2"}
    with running_worker("decoder", server, log, **settings, TRIPTYCH_THREADS="1") as decoder:
        yield decoder


@pytest.fixture(scope="module")
def plain() -> PlainWriter:
    return PlainWriter(STARTERS / MODEL)


def ended(decoder: Worker, inputs: Any, parameters: dict[str, Any] | None = None, **more: Any) -> Job:
    return decoder.ended(decoder.submit(MODEL, inputs, parameters, task="generate", **more))


def written(decoder: Worker, inputs: Any, parameters: dict[str, Any] | None = None, **more: Any) -> Any:
    job = ended(decoder, inputs, parameters, **more)
    assert job.status == "succeeded", job.error
    return json.loads(job.output or b"")


def refused(decoder: Worker, inputs: Any, parameters: dict[str, Any] | None = None, **more: Any) -> Any:
    """Return the error of a job that must be the client's fault."""
    job = ended(decoder, inputs, parameters, **more)
    assert job.status == "failed" and job.error is not None
    assert job.error.code in {"invalid_request", "input_too_long"} and not job.error.retryable
    return job.error


def token_ids(sequence: dict[str, Any]) -> list[int]:
    return [token["id"] for token in sequence["details"]["tokens"]]


# -- what it writes -------------------------------------------------------------------------------------------------


def test_the_likeliest_tokens_are_those_of_a_plain_loop(decoder: Worker, plain: PlainWriter) -> None:
    answers = written(decoder, TEXTS, {**GREEDY, "max_new_tokens": 40, "details": True})
    for text, answer in zip(TEXTS, answers, strict=True):
        prompt = plain.ids(text)
        expected = plain.greedy(prompt, 40)
        assert token_ids(answer) == expected
        assert answer["generated_text"] == plain.text(prompt, expected)
        assert answer["details"]["generated_tokens"] == len(expected)
        assert answer["details"]["seed"] is None, "nothing was drawn"
        ends = expected[-1] in plain.ends
        assert answer["finish_reason"] == answer["details"]["finish_reason"] == ("eos_token" if ends else "length")


def test_they_are_the_same_in_any_company(decoder: Worker, plain: PlainWriter) -> None:
    crowd = decoder.submit(MODEL, [f"{text}{n}" for n in range(6) for text in TEXTS], WILD, task="generate")
    answers = written(decoder, TEXTS, {**GREEDY, "max_new_tokens": 60, "details": True})
    assert [token_ids(answer) for answer in answers] == [plain.greedy(plain.ids(text), 60) for text in TEXTS]
    assert decoder.ended(crowd).status == "succeeded"


def test_a_conversation_goes_through_the_template(decoder: Worker, plain: PlainWriter) -> None:
    conversation = Conversation([Message("system", "Be kind."), Message("user", "My name is Ben.")])
    rendered = plain.template().render(conversation, param="inputs")
    prompt = plain.ids(rendered, special=False)
    expected = plain.text(prompt, plain.greedy(prompt, 30))
    parameters = {**GREEDY, "max_new_tokens": 30}
    assert written(decoder, CHAT, parameters)["generated_text"] == expected
    both = written(decoder, [CHAT, TEXTS[2]], {**parameters, "return_full_text": True})
    assert both[0]["generated_text"] == rendered + expected
    assert both[1]["generated_text"].startswith(TEXTS[2])


def test_one_input_is_answered_by_one_and_a_list_by_a_list(decoder: Worker) -> None:
    one = written(decoder, "The", GREEDY)
    assert written(decoder, ["The"], GREEDY) == [one]
    assert set(one) == {"generated_text", "finish_reason"}


def test_the_same_seed_draws_the_same_text(decoder: Worker) -> None:
    parameters = {**WILD, "max_new_tokens": 30, "details": True}
    first, again, other = (
        written(decoder, "The", {**parameters, "seed": seed}) for seed in (2**63 - 1, 2**63 - 1, -(2**63))
    )
    assert token_ids(first) == token_ids(again) != token_ids(other)
    assert (first["details"]["seed"], other["details"]["seed"]) == (2**63 - 1, -(2**63))
    many = written(decoder, [*TEXTS, "The"], {**parameters, "seed": 2**63 - 1})
    assert token_ids(many[4]) == token_ids(first), "whatever stands beside it"


def test_a_seed_of_its_own_is_told_and_draws_the_same_again(decoder: Worker) -> None:
    parameters = {**WILD, "max_new_tokens": 30, "details": True}
    first, second = written(decoder, "The", parameters), written(decoder, "The", parameters)
    assert token_ids(first) != token_ids(second)
    again = written(decoder, "The", {**parameters, "seed": first["details"]["seed"]})
    assert token_ids(again) == token_ids(first)


def test_the_best_of_many_are_given_best_first(decoder: Worker) -> None:
    parameters = {**WILD, "max_new_tokens": 12, "seed": 3, "details": True}
    job = ended(decoder, "The", {**parameters, "n": 6})
    all_six = json.loads(job.output or b"")["sequences"]

    def mean_logprob(sequence: dict[str, Any]) -> float:
        tokens = sequence["details"]["tokens"]
        return float(sum(token["logprob"] for token in tokens) / len(tokens))

    assert [mean_logprob(one) for one in all_six] == sorted(map(mean_logprob, all_six), reverse=True)
    best = written(decoder, "The", {**parameters, "n": 2, "best_of": 6})
    assert best["sequences"] == all_six[:2]
    assert {name: best[name] for name in all_six[0]} == all_six[0]
    usage = json.loads(job.usage or b"")
    assert usage["tokens_out"] == sum(one["details"]["generated_tokens"] for one in all_six)
    assert usage["items"] == 1 and usage["tokens_in"] == usage["tokens_used"] < usage["tokens_out"]
    assert "sequences" not in written(decoder, "The", {**parameters, "best_of": 3})
    plain = written(decoder, "The", {**parameters, "n": 2, "best_of": 6, "details": False})
    assert [one["generated_text"] for one in plain["sequences"]] == [one["generated_text"] for one in all_six[:2]]


def test_a_stop_text_across_tokens_ends_the_answer(decoder: Worker) -> None:
    whole = written(decoder, TEXTS[0], {**GREEDY, "max_new_tokens": 40, "details": True})
    tokens = [token["text"] for token in whole["details"]["tokens"]]
    stop = tokens[6][-1:] + tokens[7] + tokens[8][:1]
    assert len(stop) >= 3 and stop in whole["generated_text"]
    answer = written(decoder, TEXTS[0], {**GREEDY, "max_new_tokens": 40, "stop": ["never seen", stop], "details": True})
    assert answer["generated_text"] == whole["generated_text"].partition(stop)[0]
    assert answer["finish_reason"] == "stop_sequence"
    assert answer["details"]["generated_tokens"] <= 9


def test_the_likeliest_alternatives_are_told(decoder: Worker) -> None:
    answer = written(decoder, "The", {**GREEDY, "max_new_tokens": 5, "details": True, "top_n_tokens": 3})
    for token, top in zip(answer["details"]["tokens"], answer["details"]["top_tokens"], strict=True):
        assert len(top) == 3 and top[0] == token
        assert 0 >= top[0]["logprob"] >= top[1]["logprob"] >= top[2]["logprob"]


def test_timings_and_usage_are_told(decoder: Worker) -> None:
    job = ended(decoder, ["The", "Is"], {**GREEDY, "max_new_tokens": 20})
    timings = json.loads(job.timings or b"")
    assert timings["first_token_ms"] > 0 and timings["infer_ms"] > 0
    assert json.loads(job.usage or b"")["items"] == 2
    assert (job.progress_done, job.progress_total) == (2, 2)


# -- what it tells while it writes ----------------------------------------------------------------------------------


def pieces_of(decoder: Worker, job: Job) -> list[dict[str, Any]]:
    """Return what a job's events have told, and check that they came before its end and while it ran."""
    events = decoder.store.events(job.id, "0")
    assert [event.name for event in events[:2]] == ["queued", "started"] and events[-1].name == "succeeded"
    told = [event for event in events if event.name == "output"]
    assert len(told) >= 3 and len(told) == len(events) - 3
    assert {event.fields["attempt"] for event in told} == {"1"}
    first_ms, last_ms = (int(event.id.partition("-")[0]) for event in (told[0], events[-1]))
    assert first_ms < last_ms, "all was told at the end"
    return [piece for event in told for piece in json.loads(event.fields["pieces"])]


def test_a_stream_tells_every_text_as_it_grows(decoder: Worker) -> None:
    # Drawn from nearly equal chances, so that no text ends before it was told more than once.
    wildest = {**WILD, "temperature": 100.0, "seed": 5, "max_new_tokens": 200}
    job = ended(decoder, TEXTS[:2], {**wildest, "n": 3, "details": True}, stream=True)
    answers, pieces = json.loads(job.output or b""), pieces_of(decoder, job)
    for number, answer in enumerate(answers):
        for sequence, final in enumerate(answer["sequences"]):
            mine = [p for p in pieces if (p.get("input", 0), p.get("sequence", 0)) == (number, sequence)]
            assert "".join(piece.get("text", "") for piece in mine) == final["generated_text"]
            assert [token for piece in mine for token in piece["tokens"]] == final["details"]["tokens"]
            assert [piece.get("finish_reason") for piece in mine] == [None] * (len(mine) - 1) + [final["finish_reason"]]


def test_a_job_that_does_not_stream_tells_nothing_of_its_text(decoder: Worker) -> None:
    job = ended(decoder, "The", {**WILD, "max_new_tokens": 60})
    assert [event.name for event in decoder.store.events(job.id, "0")] == ["queued", "started", "succeeded"]


def test_the_best_can_not_be_streamed(decoder: Worker) -> None:
    assert refused(decoder, "The", {"best_of": 3, "n": 2}, stream=True).param == "parameters.best_of"


# -- what it refuses, and what it bears ------------------------------------------------------------------------------


def test_a_prompt_that_is_too_long_is_refused_or_cut(decoder: Worker, plain: PlainWriter) -> None:
    text = "moon " * plain.max_tokens
    error = refused(decoder, ["The", text])
    assert (error.code, error.param) == ("input_too_long", "inputs[1]")
    assert f"takes {plain.max_tokens} together" in error.message
    assert refused(decoder, "The", {"max_new_tokens": plain.max_tokens}).param == "parameters.max_new_tokens"
    room = plain.max_tokens - len(plain.ids(TEXTS[0]))
    assert refused(decoder, TEXTS[0], {"max_new_tokens": room + 1}).param == "inputs"
    assert ended(decoder, TEXTS[0], {"max_new_tokens": room}).status == "succeeded"
    job = ended(decoder, text, {**GREEDY, "truncate": "left", "max_new_tokens": 3})
    usage = json.loads(job.usage or b"")
    assert usage["tokens_in"] > plain.max_tokens == usage["tokens_used"] + 3 and usage["truncated_items"] == 1


HOSTILE: dict[str, dict[str, Any]] = {
    "a wild temperature": {"temperature": 100.0},
    "a temperature near 0": {"temperature": 1e-300},
    "no probability at all": {"top_p": 0.0},
    "a hair of probability": {"top_p": 5e-324, "typical_p": 5e-324, "min_p": 1.0},
    "more tokens than there are": {"top_k": 1_000_000},
    "strong penalties": {"repetition_penalty": 100.0, "frequency_penalty": 2.0, "presence_penalty": 2.0},
    "a reward of repetition": {"repetition_penalty": 1e-300, "frequency_penalty": -2.0, "do_sample": True},
    "many long stop texts": {"stop": [f"{n}" * 256 for n in range(10)]},
    "stop texts within each other": {"stop": ["a", "aa", " ", "\n", "e", "\ufffd"]},
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
def test_odd_parameters_are_followed_on_odd_texts(decoder: Worker, kind: str) -> None:
    texts = [*ODD_TEXTS, *({"messages": [{"role": "user", "content": text}]} for text in ODD_TEXTS)]
    answers = written(decoder, texts, {"max_new_tokens": 8, "seed": 1, "truncate": "left", **HOSTILE[kind]})
    assert len(answers) == len(texts)
    reasons = {answer["finish_reason"] for answer in answers}
    assert reasons <= {"length", "eos_token", "stop_sequence"}


def test_thousands_of_texts_come_back_in_order(decoder: Worker, plain: PlainWriter) -> None:
    texts = [f"{number}" for number in range(1000)]
    answers = written(decoder, texts, {**GREEDY, "max_new_tokens": 2})
    for number in range(0, 1000, 97):
        prompt = plain.ids(texts[number])
        assert answers[number]["generated_text"] == plain.text(prompt, plain.greedy(prompt, 2))


def test_details_of_millions_of_tokens_are_refused(decoder: Worker) -> None:
    texts = ["The"] * 2048
    error = refused(decoder, texts, {"details": True, "n": 16, "max_new_tokens": 100, "top_n_tokens": 20})
    assert error.param == "parameters.details" and "68812800 tokens" in error.message
    assert len(written(decoder, texts, {"n": 2, "max_new_tokens": 1})) == 2048


def test_a_role_that_the_template_does_not_know_is_refused_in_its_words(decoder: Worker) -> None:
    error = refused(decoder, {"messages": [{"role": "tool", "content": "4"}]})
    assert error.param == "inputs.messages" and "role" in error.message
