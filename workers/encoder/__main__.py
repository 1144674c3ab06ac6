"""Start an encoder worker: `python -m workers.encoder`."""

import sys
from typing import TYPE_CHECKING, Any

from workers.runtime.process.command import Program, run_program

if TYPE_CHECKING:
    from workers.runtime.models.loading import WorkerSpec


def _spec() -> "WorkerSpec[Any]":
    from workers.encoder.tasks import ENCODER

    return ENCODER


if __name__ == "__main__":
    sys.exit(run_program(Program("encoder", "embed, classify", _spec)))
