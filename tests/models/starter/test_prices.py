"""What the starter models cost, as their workers measure it, and the truth of jobs on them."""

import json
import time
from statistics import median
from typing import Any

import msgspec
import pytest

from contracts.jobs import Usage
from contracts.price.demand import Demand
from contracts.price.estimate import Consumed, price_of, reading_of
from contracts.price.profile import ModelProfile
from contracts.settings import StoreSettings
from tests.models.starter.conftest import PACKAGES
from tests.support.attempts import make_attempt
from tests.support.tasks import answer
from tests.unit.decoding.fakes import RecordingSink
from workers.decoder.tasks import DECODER
from workers.encoder import model as encoder_model
from workers.encoder.tasks import ENCODER
from workers.runtime.batching.engine import BatchingEngine
from workers.runtime.decoding.engine import DecodingEngine
from workers.runtime.models.loading import Loader, WorkerSpec
from workers.runtime.models.versions import Models
from workers.runtime.price.measuring import ReadTimes
from workers.runtime.price.prices import Prices
from workers.runtime.settings import WorkerSettings
from workers.seq2seq.tasks import SEQ2SEQ

FAMILIES: dict[str, tuple[WorkerSpec[Any], Any]] = {
    "encoder": (ENCODER, BatchingEngine),
    "decoder": (DECODER, lambda: DecodingEngine(RecordingSink())),
    "seq2seq": (SEQ2SEQ, lambda: DecodingEngine(RecordingSink())),
}
TEXTS = ["The weather is fine today.", "When does the next train leave? I have to be home by six."]


class Served:
    """The starters of a family, in this process."""

    def __init__(self, family: str) -> None:
        spec, make_engine = FAMILIES[family]
        settings = WorkerSettings(StoreSettings(), models_dir=(PACKAGES,), threads=1)
        self.models: Models = Loader(spec, settings, make_engine()).load_all()
        self.prices = Prices(self.models)

    def profile(self, model: str) -> ModelProfile:
        served = self.models.get(model)
        assert served is not None
        return served.profile

    def run(self, task: str, inputs: Any, *, tenant: str = "acme", **parameters: Any) -> tuple[Demand, Usage, Consumed]:
        """Run a job; return what it asked for, what it used by its answer, and what it consumed."""
        model, body = f"starter-{task}", {"inputs": inputs, "parameters": parameters}
        served = self.models.get(model)
        assert served is not None
        attempt = make_attempt(json.dumps(body).encode(), task=task, model=model, tenant=tenant)
        usage = msgspec.json.decode(answer(served, attempt).usage, type=Usage)
        assert attempt.counts.demand is not None
        return attempt.counts.demand, usage, self.prices.ended(attempt, has_succeeded=True)


@pytest.fixture(scope="module")
def encoder() -> Served:
    return Served("encoder")


@pytest.fixture(scope="module")
def decoder() -> Served:
    return Served("decoder")


@pytest.fixture(scope="module")
def seq2seq() -> Served:
    return Served("seq2seq")


@pytest.mark.parametrize("model", ["starter-embed", "starter-classify"])
def test_an_encoder_costs_by_its_tokens(encoder: Served, model: str) -> None:
    profile = encoder.profile(model)
    assert profile.token_in_s > 0 and profile.token_out_s == 0
    assert (profile.max_tokens, profile.special_tokens, profile.device) == (256, 2, "cpu")
    short, long = Demand(num_rows=1, num_chars=40), Demand(num_rows=1, num_chars=800)
    assert price_of(profile, long) > 3 * price_of(profile, short)


@pytest.mark.parametrize("task", ["generate", "translate", "summarize", "denoise"])
def test_a_generator_costs_more_for_a_written_token_than_for_a_read_one(
    decoder: Served, seq2seq: Served, task: str
) -> None:
    served = (decoder if task == "generate" else seq2seq).models.get(f"starter-{task}")
    assert served is not None
    # Several, because a busy machine may lengthen any of the times. On a quiet one a token costs 2 to 5 times as much.
    profiles = [served._model.measure() for _ in range(5)]
    assert median(profile.token_out_s for profile in profiles) > median(profile.token_in_s for profile in profiles)
    assert all(profile.row_s + profile.token_in_s > 0 for profile in profiles)


def test_measuring_takes_no_noticeable_time(encoder: Served) -> None:
    model = encoder.models.get("starter-embed")
    assert model is not None
    started = time.process_time()
    model._model.measure()
    assert time.process_time() - started < 2.0


def test_an_encoder_tells_its_engine_what_attention_takes(encoder: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """The starters are too short for it to be measured."""
    model = encoder.models.get("starter-embed")
    assert model is not None and model._model.pair_cost == 0.0
    monkeypatch.setattr(encoder_model, "measure_rows", lambda *_: ReadTimes(0.001, 1e-5, 1e-7))
    try:
        model._model.measure()
        assert model._model.pair_cost == pytest.approx(0.01)
    finally:
        model._model.pair_cost = 0.0


def test_an_encoder_consumes_the_tokens_that_it_reads(encoder: Served) -> None:
    _, usage, consumed = encoder.run("embed", TEXTS)
    assert (consumed.tokens_in, consumed.tokens_out) == (usage.tokens_used, 0)
    long = ["word " * 500, "short"]
    _, usage, consumed = encoder.run("classify", long, truncate="right")
    assert consumed.tokens_in == usage.tokens_used < usage.tokens_in


def test_a_decoder_consumes_all_of_its_sequences(decoder: Served) -> None:
    _, usage, consumed = decoder.run("generate", TEXTS[0], max_new_tokens=12)
    assert (consumed.tokens_in, consumed.tokens_out) == (usage.tokens_used, usage.tokens_out)
    sampled = {"do_sample": True, "temperature": 1.0, "seed": 1}
    _, best, consumed = decoder.run("generate", TEXTS[0], max_new_tokens=12, n=1, best_of=5, **sampled)
    assert (consumed.tokens_in, consumed.tokens_out) == (5 * usage.tokens_used, best.tokens_out)
    assert consumed.work_s > 0


@pytest.mark.parametrize("task", ["translate", "denoise"])
def test_an_encoder_decoder_consumes_all_of_its_pieces_and_beams(seq2seq: Served, task: str) -> None:
    languages = {"tgt_lang": "de"} if task == "translate" else {}
    demand, usage, consumed = seq2seq.run(task, TEXTS, **languages)
    assert demand.num_rows == 2 and usage.chunks == 3
    assert consumed.tokens_in == usage.tokens_used and consumed.tokens_out == usage.tokens_out > 0
    search = {"generate_parameters": {"num_beams": 3}}
    _, found, searched = seq2seq.run(task, TEXTS, **languages, **search)
    assert searched.tokens_in == consumed.tokens_in, "the beams of a search share their source"
    assert searched.tokens_out >= 3 * found.tokens_out and searched.tokens_out % 3 == 0
    assert searched.work_s > consumed.work_s


def test_a_flood_of_texts_that_look_cheap_is_priced_soon_and_costs_others_nothing() -> None:
    decoder, model = Served("decoder"), "starter-generate"
    english, emoji = TEXTS[1], "\U0001f680\u2603\U0001f9e8" * 10

    def run(text: str, tenant: str) -> tuple[Demand, Usage, Consumed]:
        return decoder.run("generate", text, tenant=tenant, max_new_tokens=1)

    def estimate(demand: Demand) -> float:
        profile = decoder.prices.announced().profiles[model]
        return reading_of(profile, demand).num_tokens

    hostile, _, hostile_work = run(emoji, "hostile")
    for _ in range(100):
        demand, _, work = run(english, "b")
    before, unknown = estimate(demand), estimate(hostile)
    for _ in range(300):
        run(emoji, "hostile")
    assert before == pytest.approx(work.tokens_in, rel=0.1) == estimate(demand)
    assert unknown < 0.8 * hostile_work.tokens_in
    assert estimate(hostile) == pytest.approx(hostile_work.tokens_in, rel=0.1)
