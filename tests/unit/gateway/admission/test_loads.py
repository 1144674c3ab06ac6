"""What is known of the load of each model, from what was read last."""

from contracts.cards import WorkerCard
from contracts.jobs import LANES
from contracts.price.demand import Demand
from contracts.price.profile import ModelProfile
from contracts.store.job_writer import MAX_WORK_S
from contracts.store.profiles import KeptProfile
from contracts.store.queues.load_reader import Loads
from contracts.store.queues.shares import Shares
from contracts.tasks import TASKS
from contracts.tasks.embed import EmbedParameters
from services.gateway.admission.loads import LoadBook

PROFILE = ModelProfile(row_s=0.5)
KEPT = {"m": {"w1": KeptProfile(PROFILE, 2.0, seen_at=1.0), "w2": KeptProfile(PROFILE, 1.0, seen_at=2.0)}, "other": {}}


def loads(*workers: WorkerCard, served: float = 0.0) -> Loads:
    models = ["m", "other"]
    return Loads(list(workers), dict.fromkeys(models, Shares()), dict.fromkeys(models, dict.fromkeys(LANES, served)))


def card(worker: str, speed: float) -> WorkerCard:
    return WorkerCard(
        id=worker, host="h", pid=1, models=["m"], started_at=0.0, running=0, num_batches=0, num_rows=0, real_tokens=0,
        padded_tokens=0, rss_bytes=0, speed=speed,
    )  # fmt: skip


def test_a_model_that_was_never_measured_has_no_prices() -> None:
    book = LoadBook()
    book.note(loads(), KEPT, 1.0)
    demand = TASKS["embed"].demand(["a"] * 9, EmbedParameters())
    for model in ("other", "never heard of"):
        assert book.of(model).price_s(demand) == 0.0
    assert book.of("m").price_s(demand) == 4.5


def test_only_workers_that_are_alive_count_and_without_any_those_of_the_last_hour() -> None:
    book = LoadBook()
    book.note(loads(card("w2", 1.5)), KEPT, 1.0)
    assert book.of("m").capacity.total == 1.5
    book.note(loads(), KEPT, 2.0)
    assert (book.of("m").capacity.total, book.of("m").capacity.of_one) == (3.0, 2.0)


def test_use_counts_from_the_first_read_on() -> None:
    book = LoadBook()
    for second in (1.0, 2.0, 3.0):
        book.note(loads(served=1e6 + second), KEPT, second)
        assert book.of("m").use["bulk"] <= 1.0
    assert book.of("m").use["bulk"] > 0


def test_a_model_that_was_idle_for_long_has_no_use_and_is_noted_when_it_is_used_again() -> None:
    book = LoadBook()
    for second, served in enumerate([0.0, 50.0, *[50.0] * 200]):
        book.note(loads(served=served), KEPT, float(second))
    assert set(book.of("m").use.values()) == {0.0} == set(book.of("m").given.values())
    book.note(loads(served=60.0), KEPT, 202.0)
    assert book.of("m").use["bulk"] > 1.0


def test_profiles_are_merged_when_there_are_others() -> None:
    book = LoadBook()
    demand = TASKS["embed"].demand(["a"] * 9, EmbedParameters())
    book.note(loads(), KEPT, 1.0)
    book.note(loads(), KEPT, 2.0)
    assert book.of("m").price_s(demand) == 4.5
    book.note(loads(), {"m": {"w1": KeptProfile(ModelProfile(row_s=1.0), 2.0, seen_at=3.0)}}, 3.0)
    assert book.of("m").price_s(demand) == 9.0


def test_no_price_is_more_than_a_submit_takes() -> None:
    book, dear = LoadBook(), ModelProfile(row_s=1e3, token_in_s=1e3, token_pair_s=1e3, step_s=1e3, tokens_per_char=1e9)
    assert dear.is_usable
    book.note(loads(), {"m": {"w1": KeptProfile(dear, 1.0, seen_at=1.0)}}, 1.0)
    demand = Demand(num_rows=2048, num_chars=10**6, num_sequences=1, follows_input=True)
    assert book.of("m").price_s(demand) == book.of("m").least_s(demand) == MAX_WORK_S
