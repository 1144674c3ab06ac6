"""What a model can count on: workers share their speed among the models for which jobs wait."""

from contracts.price.profile import ModelProfile
from contracts.store.profiles import KeptProfile
from services.gateway.admission.capacity import Capacity, KnownWorker, capacities, seen_workers


def test_the_workers_of_a_model_add_up_but_a_job_runs_on_one() -> None:
    found = capacities([KnownWorker(2.0, ["m"]), KnownWorker(0.5, ["m"])], busy_models=["m"])
    assert found == {"m": Capacity(total=2.5, of_one=2.0)}


def test_a_worker_divides_its_speed_among_its_models_with_waiting_jobs() -> None:
    worker = KnownWorker(3.0, ["a", "b", "c"])
    of_one = {model: found.total for model, found in capacities([worker], busy_models={"a", "b"}).items()}
    # A job of `c` would be the first that waits there, and make it the third that shares.
    assert of_one == {"a": 1.5, "b": 1.5, "c": 1.0}
    assert capacities([worker], busy_models={"elsewhere"})["a"].total == 3.0


def kept_from(*times: tuple[float, float]) -> dict[str, dict[str, KeptProfile]]:
    entries = (KeptProfile(ModelProfile(), 2.0, seen_at=last, since=first) for first, last in times)
    return {"m": {f"w{number}": entry for number, entry in enumerate(entries)}}


def test_a_worker_that_was_started_anew_counts_once() -> None:
    """Each process has a name of its own, and is remembered for an hour."""
    for times, num_workers in (
        ([(0.0, 9.0), (10.0, 19.0), (20.0, 29.0)], 1),
        ([(0.0, 9.0), (5.0, 19.0), (18.0, 29.0)], 2),
        ([(0.0, 50.0), (1.0, 9.0), (1.0, 50.0), (10.0, 40.0)], 3),
        ([(7.0, 7.0)], 1),
    ):
        assert capacities(seen_workers(kept_from(*times)), ["m"])["m"].total == 2.0 * num_workers, times


def test_workers_are_remembered_with_all_their_models() -> None:
    kept = {model: {"w1": KeptProfile(ModelProfile(), 4.0, seen_at=1.0)} for model in ("a", "b")}
    kept["b"]["w2"] = KeptProfile(ModelProfile(), 1.0, seen_at=2.0)
    found = capacities(seen_workers(kept), busy_models={"a", "b"})
    assert (found["a"].total, found["b"].total) == (2.0, 3.0)
