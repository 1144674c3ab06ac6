"""A real encoder worker whose model calls can be made to fail. The fault tests start it as a process.

It is the worker of `workers.encoder` with the starter classifier, except that it looks for these words in texts:

    fault:memory    the model call raises MemoryError
    fault:exit      the model call raises SystemExit
    fault:panic     the model call raises a BaseException, as a panic of a native library does
    fault:abort     native code ends the process by SIGABRT in the model call
    fault:early     native code ends the process while the text is tokenized, and a model call runs
    fault:kill      the process dies by SIGKILL in the model call
    fault:slow=S    the model call takes S seconds longer
    fault:lock=S    native code holds Python's lock for S seconds of CPU time, as a tokenizer may
    fault:gather=N  the model call waits until N rows wait behind it, the first time only; that there are so many, and
                    none, one or two so far, is told by files ``gathered-0``, … in the folder of the faults
    fault:hang      the model call waits for a file ``release-hang`` in the folder of the faults, the first time only

While there is a file ``hold-load`` in the folder of the faults, the worker waits before it loads a package. With a file
``no-thread`` the system has no thread for the worker's pool.
"""

import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from contracts.logs.settings import setup_logging
from contracts.model_package.package import ModelPackage
from contracts.shapes import TextPair, Truncate
from workers.encoder.head import Head
from workers.encoder.model import EncoderModel
from workers.encoder.tasks import ENCODER, open_encoder, serve_encoder
from workers.runtime.batching.engine import BatchingEngine
from workers.runtime.inference.session import Array
from workers.runtime.models.served import ServedModel
from workers.runtime.process.worker import run_worker
from workers.runtime.settings import WorkerSettings
from workers.runtime.tokenizing.reading import Check, no_check
from workers.runtime.tokenizing.tokenizer import Tokenizer, TokenRow

MODEL = "starter-classify"
FAULT = re.compile(r"fault:(\w+)(?:=([\d.]+))?")
HUNG, RELEASE_HANG = "hung", "release-hang"
NO_THREAD = "no-thread"
GATHERED = "gathered-"
CALL_RUNS = threading.Event()
LONGEST_WAIT_S = 10.0
"""For a model call; a job that is alone has none to wait for."""


class NativePanic(BaseException):
    """The exception that a panic of a native library raises in Python."""


class FaultyRow(TokenRow, frozen=True):
    """A row with the fault that its text asks for."""

    fault: tuple[str, float] | None = None


class FaultTokenizer(Tokenizer):
    """Finds the faults that texts ask for."""

    def rows(self, inputs: Sequence[str | TextPair], truncate: Truncate, check: Check = no_check) -> list[TokenRow]:
        """Tokenize, and add to each row the fault of its text."""
        faults = [FAULT.search(text if isinstance(text, str) else text.text) for text in inputs]
        if any(fault and fault[1] == "early" for fault in faults):
            CALL_RUNS.wait(LONGEST_WAIT_S)
            os.abort()
        return [
            FaultyRow(row.token_ids, row.type_ids, row.tokens_in, (fault[1], float(fault[2] or 0)) if fault else None)
            for row, fault in zip(super().rows(inputs, truncate, check), faults, strict=True)
        ]


class FaultyModel(EncoderModel):
    """The real model, whose calls first inject the faults of their rows."""

    def __init__(self, package: ModelPackage, settings: WorkerSettings, head: Head) -> None:
        super().__init__(package, settings, head)
        self.tokenizer = FaultTokenizer(package.file("tokenizer.json"), package.manifest.limits.max_tokens)
        self.engine: BatchingEngine | None = None

    def run(self, rows: Sequence[TokenRow]) -> list[Array]:
        """Inject the faults of the rows, then run the model."""
        CALL_RUNS.set()
        for row in rows:
            if isinstance(row, FaultyRow) and row.fault:
                inject(*row.fault, self.engine)
        answers = super().run(rows)
        CALL_RUNS.clear()
        return answers


def inject(fault: str, seconds: float, engine: BatchingEngine | None) -> None:
    """Inject one fault into the model call."""
    if fault == "gather" and engine is not None:
        gather_once(Path(os.environ["FAULT_DIR"]), engine, int(seconds))
    if fault == "memory":
        raise MemoryError
    if fault == "exit":
        raise SystemExit(1)
    if fault == "panic":
        raise NativePanic("index out of bounds")
    if fault == "abort":
        os.abort()
    if fault == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if fault == "slow":
        time.sleep(seconds)
    if fault == "lock":
        hold_lock(seconds)
    if fault == "hang":
        hang_once(Path(os.environ["FAULT_DIR"]))


def hold_lock(seconds: float) -> None:
    """Use that much CPU time in one call of native code that keeps Python's lock."""
    started, few = time.process_time(), 2_000_000
    sum(range(few))
    sum(range(int(few * seconds / (time.process_time() - started))))


def gather_once(folder: Path, engine: BatchingEngine, num_rows: int) -> None:
    """Wait until so many rows wait behind this call, unless another attempt has already waited."""
    try:
        (folder / f"{GATHERED}0").touch(exist_ok=False)
    except FileExistsError:
        return
    while (num_waiting := sum(map(len, list(engine._queues.values())))) < num_rows:
        (folder / f"{GATHERED}{num_waiting}").touch()
        time.sleep(0.02)


def hang_once(folder: Path) -> None:
    """Wait until the test releases the call, unless another attempt has already waited."""
    try:
        (folder / HUNG).touch(exist_ok=False)
    except FileExistsError:
        return
    while not (folder / RELEASE_HANG).exists():
        time.sleep(0.02)


def hold_load(folder: Path) -> None:
    """Wait while loading is held, and let the test know by a file ``loading``."""
    while (folder / "hold-load").exists():
        (folder / "loading").touch()
        time.sleep(0.02)


def start_thread(thread: threading.Thread, start: Callable[[threading.Thread], None] = threading.Thread.start) -> None:
    """Start a thread, unless the system has none left."""
    if thread.name.startswith("ThreadPoolExecutor") and (Path(os.environ["FAULT_DIR"]) / NO_THREAD).exists():
        raise RuntimeError("can't start new thread")
    start(thread)


def load(package: ModelPackage, settings: WorkerSettings, engine: BatchingEngine) -> ServedModel:
    """Load an encoder whose model calls can be made to fail."""
    hold_load(Path(os.environ["FAULT_DIR"]))
    model = open_encoder(package, settings, FaultyModel)
    assert isinstance(model, FaultyModel)
    model.engine = engine
    return serve_encoder(model, engine)


if __name__ == "__main__":
    setup_logging("faulty-encoder")
    threading.Thread.start = start_thread  # type: ignore[method-assign]
    sys.exit(run_worker(WorkerSettings.read(), replace(ENCODER, load=load)))
