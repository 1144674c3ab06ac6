"""Jobs that have ended although no worker serves their model."""

import time

from contracts.job_ids import new_job_id
from contracts.jobs import Answer, NewJob
from contracts.store.queues.admission import Admission
from tests.gateway.conftest import Stack
from tests.gateway.fakes.worker import UNSERVED

OWNER = "default"
KEPT_S = 3600


def finished_job(stack: Stack, output: bytes = b"[1,2]") -> str:
    """Return the id of a job that has succeeded and that nobody has read."""
    new = NewJob(
        id=new_job_id(OWNER, time.time()),
        tenant=OWNER,
        task="embed",
        model=UNSERVED,
        request=b"{}",
        metadata=b"{}",
        num_inputs=1,
        deadline_s=900.0,
        timeout_s=300.0,
        ttl_s=float(KEPT_S),
    )
    job_id = stack.store.submit(new, Admission()).job_id
    claim = stack.store.claim(job_id, "by hand")
    assert claim is not None
    usage = b'{"items":1,"tokens_in":1,"tokens_used":1,"truncated_items":0}'
    assert stack.store.succeed(claim, Answer(output=output, usage=usage, timings=b"{}", model_revision="r3"))
    return job_id
