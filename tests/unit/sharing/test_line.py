"""The order of a flow's jobs: each is done as soon as if it came in its turn, but for twice its own work."""

from hypothesis import given, settings
from hypothesis import strategies as st

from workers.runtime.sharing.line import Line


def test_a_small_job_does_not_wait_for_a_large_one_but_the_large_one_waits_for_few_of_them() -> None:
    line: Line[str] = Line()
    line.add("large", 10.0)
    line.add("small", 1.0)
    assert line.first() == "small"
    line.remove("small")
    for number in range(20):
        line.add(f"next {number}", 1.0)
    overtaking = 1  # the first one
    while line.first() != "large":
        line.remove(line.first())
        overtaking += 1
    assert 5 <= overtaking <= 10


@settings(derandomize=True, deadline=None)
@given(st.lists(st.one_of(st.floats(0.01, 100.0), st.none()), max_size=60))
def test_what_overtakes_a_job_is_less_than_its_own_work(steps: list[float | None]) -> None:
    """A number is the work of a job that comes; None does the first one."""
    line: Line[int] = Line()
    works: list[float] = []
    done: list[int] = []

    def do_first() -> None:
        done.append(line.first())
        line.remove(done[-1])

    for step in steps:
        if step is not None:
            works.append(step)
            line.add(len(works) - 1, step)
        elif line:
            do_first()
    while line:
        do_first()
    assert sorted(done) == list(range(len(works)))
    for place, job in enumerate(done):
        assert sum(works[other] for other in done[:place] if other > job) <= works[job]
