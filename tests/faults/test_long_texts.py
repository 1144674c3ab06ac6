"""One text of eight megabytes, which a worker of any family must read while it answers other jobs."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from contracts.jobs import Usage
from tests.faults.fleet import Fleet
from tests.faults.worker_process import Worker
from tests.support.valkey import ValkeyServer
from tests.support.waiting import wait_until

TEXT = "!?" * 3_900_000
MAX_GROWTH_BYTES = 1 << 30
"""As one encoding, such a text takes more than 3 GB."""
NUM_OTHERS = 5


class LongTexts(Fleet):
    """Workers without faults, for requests with parameters."""

    def __init__(self, task: str, parameters: dict[str, Any], server: ValkeyServer, folder: Path) -> None:
        super().__init__(server, folder)
        self.task, self.parameters, self.model = task, parameters, f"starter-{task}"
        self.environment["TRIPTYCH_MODELS"] = self.model

    def request_of(self, text: str | list[str]) -> tuple[str, dict[str, Any]]:
        return self.task, {"inputs": text, "parameters": self.parameters}


def peak_bytes(worker: Worker) -> int:
    status = Path(f"/proc/{worker.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


@pytest.mark.parametrize(
    ("program", "task", "parameters"),
    [
        ("workers.encoder", "embed", {"truncate": "right"}),
        ("workers.decoder", "generate", {"truncate": "left", "max_new_tokens": 1}),
        ("workers.seq2seq", "translate", {"truncate": "right", "tgt_lang": "de"}),
    ],
    ids=["encoder", "decoder", "seq2seq"],
)
def test_a_text_of_eight_megabytes_holds_up_no_other_job(
    program: str, task: str, parameters: dict[str, Any], valkey_server: ValkeyServer, tmp_path: Path
) -> None:
    long_texts = LongTexts(task, parameters, valkey_server, tmp_path)
    long_texts.program = program
    try:
        worker = long_texts.start_worker()
        first = long_texts.submit("Hello.")
        wait_until(lambda: long_texts.job(first).finished, "the worker answers nothing")
        before = peak_bytes(worker)
        job_id = long_texts.submit(TEXT)
        long_texts.wait_running(job_id)
        others = [long_texts.submit("Hello.") for _ in range(NUM_OTHERS)]
        jobs = long_texts.assert_each_ended_once([job_id, *others, first])
        assert jobs[job_id].status == "succeeded", jobs[job_id].error
        # A worker that stands still for a lease loses its jobs.
        assert {(job.attempt, job.crashes) for job in jobs.values()} == {(1, 0)}
        ended_at = jobs[job_id].completed_at
        assert ended_at is not None
        assert all((jobs[other].completed_at or ended_at) < ended_at for other in others), "others waited for the text"
        usage = msgspec.json.decode(jobs[job_id].usage or b"", type=Usage)
        assert usage.tokens_in >= len(TEXT) and usage.truncated_items == 1
        assert peak_bytes(worker) - before < MAX_GROWTH_BYTES
    finally:
        long_texts.close()
