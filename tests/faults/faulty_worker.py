"""A real encoder worker whose model call can be made to fail: run as a process by the fault tests.

It is the worker of `workers.encoder` with the starter classifier; only the model call looks at the text first, for

    fault:memory     raise MemoryError          fault:exit    raise SystemExit
    fault:panic      raise a BaseException      fault:kill    die by SIGKILL inside the model call
    fault:slow=S     take S seconds longer      fault:hang    wait for a file ``go-on``, the first time only

While a file ``hold-load`` lies in the folder of the faults, it does not get on with loading a package.
"""

import os
import re
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from contracts.logs import setup_logging
from contracts.model_package.package import ModelPackage
from contracts.shapes import TextPair
from workers.encoder.model import EncoderModel
from workers.encoder.tasks import ENCODER, HANDLERS
from workers.runtime.batching.engine import BatchingEngine
from workers.runtime.batching.work import BatchWork
from workers.runtime.inference.session import Array
from workers.runtime.models.served import ServedModel
from workers.runtime.process.worker import run_worker
from workers.runtime.settings import WorkerSettings
from workers.runtime.tokenizing.tokenizer import Tokenizer, TokenRow, Truncate

MODEL = "starter-classify"
FAULT = re.compile(r"fault:(\w+)(?:=([\d.]+))?")
HUNG, GO_ON = "hung", "go-on"


class NativePanic(BaseException):
    """What a panic of a native library looks like from Python."""


class MarkedRow(TokenRow, frozen=True):
    """A row that remembers which fault its text asks for."""

    fault: tuple[str, float] | None = None


class MarkingTokenizer(Tokenizer):
    """Passes the fault that a text asks for on to the model call."""

    def rows(self, inputs: Sequence[str | TextPair], truncate: Truncate) -> list[TokenRow]:
        """Tokenize as ever, and mark the rows."""
        marks = [FAULT.search(text if isinstance(text, str) else text.text) for text in inputs]
        return [
            MarkedRow(row.token_ids, row.type_ids, row.tokens_in, (mark[1], float(mark[2] or 0)) if mark else None)
            for row, mark in zip(super().rows(inputs, truncate), marks, strict=True)
        ]


class FaultyModel(EncoderModel):
    """The real model, after the faults of its rows."""

    def __init__(self, package: ModelPackage, settings: WorkerSettings) -> None:
        super().__init__(package, settings)
        self.tokenizer = MarkingTokenizer(package.file("tokenizer.json"), package.manifest.limits.max_tokens)

    def run(self, rows: Sequence[TokenRow]) -> list[Array]:
        """Suffer what the rows ask for, then answer."""
        for row in rows:
            if isinstance(row, MarkedRow) and row.fault:
                suffer(*row.fault)
        return super().run(rows)


def suffer(fault: str, seconds: float) -> None:
    """Let one fault happen."""
    if fault == "memory":
        raise MemoryError
    if fault == "exit":
        raise SystemExit(1)
    if fault == "panic":
        raise NativePanic("index out of bounds")
    if fault == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if fault == "slow":
        time.sleep(seconds)
    if fault == "hang":
        hang_once(Path(os.environ["FAULT_DIR"]))


def hang_once(folder: Path) -> None:
    """Wait until the test says to go on, unless another attempt did already."""
    try:
        (folder / HUNG).touch(exist_ok=False)
    except FileExistsError:
        return
    while not (folder / GO_ON).exists():
        time.sleep(0.02)


def hold_load(folder: Path) -> None:
    """Wait for as long as loading is held, and tell that it has come to that."""
    while (folder / "hold-load").exists():
        (folder / "loading").touch()
        time.sleep(0.02)


def load(package: ModelPackage, settings: WorkerSettings, engine: BatchingEngine) -> ServedModel:
    """Load an encoder with its faults."""
    hold_load(Path(os.environ["FAULT_DIR"]))
    model = FaultyModel(package, settings)
    model.warm_up()
    return ServedModel(model, model.card(), HANDLERS[model.task], partial(BatchWork, engine))


if __name__ == "__main__":
    setup_logging("faulty-encoder")
    sys.exit(run_worker(WorkerSettings.read(), replace(ENCODER, load=load)))
