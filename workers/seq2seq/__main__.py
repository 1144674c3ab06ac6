"""Start a seq2seq worker: `python -m workers.seq2seq`."""

import sys
from typing import TYPE_CHECKING, Any

from workers.runtime.process.command import Program, run_program

if TYPE_CHECKING:
    from workers.runtime.models.loading import WorkerSpec


def _spec() -> "WorkerSpec[Any]":
    from workers.seq2seq.tasks import SEQ2SEQ

    return SEQ2SEQ


if __name__ == "__main__":
    sys.exit(run_program(Program("seq2seq", "translate, summarize, denoise, text2text", _spec)))
