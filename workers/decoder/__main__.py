"""Start a decoder worker: `python -m workers.decoder`."""

import sys
from typing import TYPE_CHECKING, Any

from workers.runtime.process.command import Program, run_program

if TYPE_CHECKING:
    from workers.runtime.models.loading import WorkerSpec


def _spec() -> "WorkerSpec[Any]":
    from workers.decoder.tasks import DECODER

    return DECODER


if __name__ == "__main__":
    sys.exit(run_program(Program("decoder", "generate: texts and conversations", _spec)))
