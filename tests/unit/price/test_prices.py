"""The prices of a worker's models: the work of attempts by the prices of all workers, and what is announced."""

from typing import Any

import pytest
from msgspec import structs

from contracts.cards import ModelCard
from contracts.price.demand import Demand
from contracts.price.estimate import price_of
from contracts.price.profile import ModelProfile
from contracts.store.profiles import KeptProfile
from contracts.tasks.embed import EmbedRequest
from tests.support.attempts import make_attempt
from workers.runtime.attempts.attempt import Attempt
from workers.runtime.models.served import ServedModel, TaskHandler
from workers.runtime.models.versions import Models, Version
from workers.runtime.price.counts import ModelCounts
from workers.runtime.price.prices import Prices
from workers.runtime.price.rates import MOST

MEASURED = ModelProfile(revision="1", row_s=0.01, token_in_s=0.001, token_out_s=0.1)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which the test sets."""
    seconds = [100.0]
    monkeypatch.setattr("workers.runtime.price.prices.time.monotonic", lambda: seconds[0])
    return seconds


def served(profile: ModelProfile = MEASURED, name: str = "tiny") -> Version:
    card = ModelCard(
        name=name, task="embed", family="encoder", revision="1", licence="", description="", max_tokens=9
    )  # fmt: skip

    def no_work(attempt: Attempt) -> Any:
        raise AssertionError("nothing runs")

    return Version(ServedModel(None, card, TaskHandler(EmbedRequest, no_work), no_work, profile), "digest")


def models_with(profile: ModelProfile = MEASURED) -> Models:
    models = Models()
    models.put(served(profile))
    return models


def ended_attempt(num_rows: int = 2, tokens_in: int = 30, tokens_out: int = 4, cpu_s: float = 0.0) -> Attempt:
    attempt = make_attempt()
    counts = attempt.counts
    counts.num_rows, counts.tokens_in, counts.tokens_out, counts.cpu_s = num_rows, tokens_in, tokens_out, cpu_s
    counts.demand = Demand(num_rows=num_rows, num_chars=100)
    return attempt


@pytest.mark.parametrize("has_succeeded", [True, False])
def test_work_is_counts_times_the_price_of_all_workers_however_an_attempt_ends(has_succeeded: bool) -> None:
    prices = Prices(models_with())
    merged = structs.replace(MEASURED, request_s=0.5, row_s=1.0, token_in_s=2.0, token_out_s=3.0)
    prices.use({"tiny": merged, "unknown": merged})
    consumed = prices.ended(ended_attempt(), has_succeeded=has_succeeded)
    assert consumed == (pytest.approx(0.5 + 2 * 1.0 + 30 * 2.0 + 4 * 3.0), 30, 4)


def test_exact_estimates_are_the_work() -> None:
    exact = structs.replace(MEASURED, request_s=0.2, tokens_per_char=0.25)
    prices = Prices(models_with())
    prices.use({"tiny": exact})
    demand = Demand(num_rows=2, num_chars=120, num_reads=2, num_sequences=2, max_new_tokens=8)
    work_s = prices.ended(ended_attempt(4, 60, 32), has_succeeded=True).work_s
    assert price_of(exact, demand) == pytest.approx(work_s)


def test_a_refused_text_costs_the_time_in_which_it_was_read() -> None:
    prices = Prices(models_with())
    assert prices.ended(ended_attempt(0, 0, 0, cpu_s=3.0), has_succeeded=False).work_s == 3.0
    assert prices.ended(ended_attempt(0, 0, 0, cpu_s=0.0), has_succeeded=False).work_s < 0.01


def test_jobs_of_models_without_prices_have_counts_and_no_work() -> None:
    prices = Prices(models_with(ModelProfile()))
    assert prices.ended(ended_attempt(), has_succeeded=True) == (0.0, 30, 4)
    assert Prices(Models()).ended(ended_attempt(), has_succeeded=True) == (0.0, 30, 4)
    assert not prices.announced().profiles["tiny"].is_known


def test_only_jobs_that_succeed_teach() -> None:
    prices = Prices(models_with())
    before = prices.announced().profiles["tiny"]
    for _ in range(20):
        prices.ended(ended_attempt(), has_succeeded=False)
    assert prices.announced().profiles["tiny"] == before
    for _ in range(20):
        prices.ended(ended_attempt(cpu_s=0.004), has_succeeded=True)
    assert prices.announced().profiles["tiny"].num_jobs == 20


def test_a_worker_begins_with_what_others_have_found() -> None:
    found = structs.replace(MEASURED, row_s=0.02, tokens_per_char=0.7, num_jobs=50.0)
    other_device = structs.replace(found, device="cuda", row_s=0.0001)
    other_revision = structs.replace(found, revision="0", row_s=9.0)
    kept = {"w1": KeptProfile(found, 1.0, 0.0), "w2": KeptProfile(other_device, 1.0, 0.0)}
    own = Prices(models_with(), {"tiny": kept}).announced().profiles["tiny"]
    assert own.row_s == pytest.approx(0.02) and own.tokens_per_char == pytest.approx(0.7)
    only_other = {"w1": KeptProfile(other_revision, 1.0, 0.0)}
    own = Prices(models_with(), {"tiny": only_other}).announced().profiles["tiny"]
    assert own.row_s == MEASURED.row_s and own.tokens_per_char == pytest.approx(0.7)


def test_a_new_version_is_measured_anew_and_keeps_what_is_known_of_texts() -> None:
    models = models_with()
    prices = Prices(models)
    for _ in range(300):
        prices.ended(ended_attempt(tokens_in=80), has_succeeded=True)
    known = prices.announced().profiles["tiny"]
    models.put(served(structs.replace(MEASURED, revision="2", row_s=0.5)))
    own = prices.announced().profiles["tiny"]
    assert (own.revision, own.row_s) == ("2", 0.5)
    assert own.tokens_per_char == pytest.approx(known.tokens_per_char, rel=0.05) and known.tokens_per_char > 0.6


def test_the_speed_of_a_fast_worker_is_one_by_the_prices_of_all() -> None:
    fast = structs.replace(MEASURED, device="cuda", row_s=0.001, token_in_s=0.0001, token_out_s=0.01)
    prices = Prices(models_with(fast))
    assert prices.announced().speed == pytest.approx(1.0, rel=0.01)
    prices.use({"tiny": MEASURED})
    assert prices.announced().speed == pytest.approx(10.0), "before it was full for the first time"


def test_a_worker_that_starts_is_as_fast_as_others_of_its_kind_were() -> None:
    gpu = structs.replace(MEASURED, device="cuda")
    kept = {"w1": KeptProfile(MEASURED, 0.4, 0.0), "w2": KeptProfile(MEASURED, 0.6, 0.0), "w3": KeptProfile(gpu, 9, 0)}
    assert Prices(models_with(), {"tiny": kept}).announced().speed == pytest.approx(0.5)


def test_the_speed_of_a_full_worker_is_the_work_that_it_does(now: list[float]) -> None:
    prices = Prices(models_with())
    prices.use({"tiny": ModelProfile(row_s=0.01)})
    done = ModelCounts()
    prices.look({"tiny": done}, is_full=False, taking_s=0.0)
    for _ in range(30):
        now[0] += 1.0
        done.num_rows += 40
        done.read_s += 0.4
        prices.look({"tiny": done}, is_full=True, taking_s=0.0)
    assert prices.announced().speed == pytest.approx(0.4, abs=0.02)


def test_calls_of_a_model_without_a_price_make_no_worker_slow(now: list[float]) -> None:
    models = models_with()
    models.put(served(ModelProfile(), "unmeasured"))
    prices = Prices(models)
    prices.use({"tiny": ModelProfile(row_s=0.01)})
    tiny, unmeasured = ModelCounts(), ModelCounts()
    prices.look({}, is_full=False, taking_s=0.0)
    for second in range(60):
        now[0] += 1.0
        unmeasured.num_rows += 1
        unmeasured.read_s += 0.8 if second > 30 else 0.4
        if second <= 30:
            tiny.num_rows += 25
            tiny.read_s += 0.4
        prices.look({"tiny": tiny, "unmeasured": unmeasured}, is_full=True, taking_s=0.0)
    assert prices.announced().speed == pytest.approx(0.5, abs=0.02)


def test_a_worker_is_not_believed_to_stand_still_for_ever(now: list[float]) -> None:
    """It would be sent nothing that could show how fast it is, and hand this on to the next worker."""
    prices, done = Prices(models_with()), ModelCounts()
    prices.look({"tiny": done}, is_full=False, taking_s=0.0)
    for _ in range(60):
        now[0] += 1.0
        done.num_rows += 1
        done.read_s += 0.0001
        prices.look({"tiny": done}, is_full=True, taking_s=0.0)
    speed = prices.announced().speed
    assert speed >= 1 / MOST
    kept = {"tiny": {"w1": KeptProfile(MEASURED, 0.0001, 0.0)}}
    assert Prices(models_with(), kept).announced().speed >= 1 / MOST


def test_a_worker_that_was_slow_long_ago_is_not_believed_to_be_so_still(now: list[float]) -> None:
    """The machine had other things to do while the worker was full, and has not any more."""
    prices, done = Prices(models_with()), ModelCounts()
    prices.look({"tiny": done}, is_full=False, taking_s=0.0)
    for _ in range(120):
        now[0] += 1.0
        done.num_rows += 20
        done.read_s += 1.0
        prices.look({"tiny": done}, is_full=True, taking_s=0.0)
    assert prices.announced().speed == pytest.approx(0.25, abs=0.05), "it did 20 of 100 rows a second"
    now[0] += 300.0
    assert prices.announced().speed >= 0.5
    now[0] += 86_400.0
    assert prices.announced().speed < 1.0, "nothing has shown that"


def test_a_worker_that_starts_on_a_quiet_machine_is_not_as_slow_as_it_was_on_a_busy_one() -> None:
    busy = structs.replace(MEASURED, row_s=0.04, token_in_s=0.004, token_out_s=0.4)
    prices = Prices(models_with(), {"tiny": {"w1": KeptProfile(busy, 1.0, 0.0)}})
    assert prices.announced().speed >= 2.0, "of work by those prices"
