"""A job as clients see it."""

from contracts.jobs import Job
from services.gateway.jobs.view import view


def test_work_has_no_more_digits_than_it_is_known_to() -> None:
    job = Job(
        id="id", tenant="acme", task="embed", model="minilm", status="succeeded", created_at=0.0, deadline_at=1.0,
        price_s=0.001234567891234, work_s=0.001235,
    )  # fmt: skip
    work = view(job, None).work
    assert work is not None and (work.estimated_s, work.actual_s) == (0.001235, 0.001235)
