"""The outputs of the decoding engine: texts, token details and their order, in any batch."""

import math
import random

import pytest

from tests.support.attempts import make_attempt
from tests.support.waiting import PATIENCE_S
from tests.unit.decoding.fakes import (
    EOS,
    FakeCache,
    FakeModel,
    RecordingSink,
    answer,
    outputs_of,
    request,
    text_of,
    texts,
)
from workers.runtime.decoding.engine import DecodingEngine
from workers.runtime.decoding.request import Sampling


def test_a_text_is_generated_token_by_token(engine: DecodingEngine, model: FakeModel) -> None:
    handle = engine.submit(model, [request([3, 4, 5], 6)], make_attempt())
    (text,) = outputs_of(handle)
    assert text.text == text_of(answer([3, 4, 5], 6))
    assert (text.finish_reason, text.num_tokens, text.tokens) == ("length", 6, [])
    assert math.isnan(text.mean_logprob)
    assert model.cache.held == {}
    assert [call[:2] for call in model.cache.calls] == [("prefill", 3)] + [("step", 1)] * 5


def test_an_end_token_ends_the_text_and_is_counted_but_not_shown(engine: DecodingEngine, model: FakeModel) -> None:
    whole = answer([9], 30)
    last = whole[7]
    expected = whole[: whole.index(last)]
    (text,) = outputs_of(engine.submit(model, [request([9], 30, eos_token_ids=frozenset({last, EOS}))], make_attempt()))
    assert (text.text, text.finish_reason, text.num_tokens) == (text_of(expected), "eos_token", len(expected) + 1)


def test_a_stop_string_across_tokens_ends_the_text_and_is_not_shown(engine: DecodingEngine, model: FakeModel) -> None:
    whole = answer([2, 2], 12)
    stop = text_of(whole)[len(text_of(whole[:4])) - 1 : len(text_of(whole[:6])) - 1]
    handle = engine.submit(model, [request([2, 2], 12, stop_strings=(stop,))], make_attempt())
    (text,) = outputs_of(handle)
    assert text.text == text_of(whole).partition(stop)[0]
    assert text.finish_reason == "stop_sequence" and text.num_tokens <= 6
    assert model.cache.held == {}


def test_details_have_every_token_with_its_log_probability(engine: DecodingEngine, model: FakeModel) -> None:
    (text,) = outputs_of(engine.submit(model, [request([5], 4, logprobs=True, top_n_tokens=3)], make_attempt()))
    expected = 5 - math.log(math.exp(5) + 63)
    assert [token.id for token in text.tokens] == answer([5], 4)
    assert [token.logprob for token in text.tokens] == pytest.approx([expected] * 4, abs=1e-5)
    assert [next(top.id for top in tops) for tops in text.top_tokens] == answer([5], 4)
    assert [len(tops) for tops in text.top_tokens] == [3] * 4
    assert text.mean_logprob == pytest.approx(expected, abs=1e-5)


def test_a_text_never_depends_on_the_composition_of_its_batch(sink: RecordingSink) -> None:
    """Texts with random arrivals, lengths, seeds and ends are the same as when each is generated isolated."""
    chance = random.Random(20261121)
    requests = [
        request(
            [chance.randrange(1, 60) for _ in range(chance.randrange(1, 150))],
            chance.randrange(1, 40),
            sampling=Sampling(
                do_sample=chance.random() < 0.5,
                temperature=chance.choice([0.7, 1.0, 3.0]),
                top_k=chance.choice([0, 5]),
                top_p=chance.choice([1.0, 0.8]),
                seed=chance.randrange(2**63),
                repetition_penalty=chance.choice([1.0, 1.3]),
                frequency_penalty=chance.choice([0.0, 0.5]),
            ),
            eos_token_ids=frozenset(chance.sample(range(60), chance.randrange(3))),
            logprobs=chance.random() < 0.3,
        )
        for _ in range(60)
    ]
    isolated = [
        outputs_of(DecodingEngine(sink).submit(FakeModel(FakeCache(max_slots=1)), [each], make_attempt()))[0]
        for each in requests
    ]
    engine, model = DecodingEngine(sink), FakeModel(FakeCache(max_slots=7))
    handles = []
    for each in requests:
        handles.append(engine.submit(model, [each], make_attempt()))
        if chance.random() < 0.3:  # let some advance before the next ones arrive
            handles[chance.randrange(len(handles))].wait(PATIENCE_S)
    together = [outputs_of(handle)[0] for handle in handles]
    assert [(text.text, text.finish_reason, text.num_tokens) for text in together] == [
        (text.text, text.finish_reason, text.num_tokens) for text in isolated
    ]
    assert [text.tokens for text in together] == [text.tokens for text in isolated]
    assert model.cache.peak == 7 and model.cache.held == {}


def test_many_texts_of_one_job_are_returned_in_order(engine: DecodingEngine, model: FakeModel) -> None:
    attempt = make_attempt()
    prompts = [[number, number + 1] for number in range(1, 21)]
    handle = engine.submit(model, [request(ids, 3, input=index // 2) for index, ids in enumerate(prompts)], attempt)
    assert texts(handle) == [text_of(answer(ids, 3)) for ids in prompts]
    assert handle.num_done == 10, "progress counts inputs, and each input has two texts"
    assert model.cache.peak == model.cache.max_slots


def test_a_job_without_requests_is_finished(engine: DecodingEngine, model: FakeModel) -> None:
    assert outputs_of(engine.submit(model, [], make_attempt())) == []
