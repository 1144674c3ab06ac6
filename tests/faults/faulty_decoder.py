"""A real decoder worker whose model calls can be held, slowed down and made to kill it: run by the fault tests.

It is the worker of `workers.decoder` with the starter; only the model calls look at the prompts first, for

    fault:slow=S    take S seconds longer for each step
    fault:kill=N    die by SIGKILL inside the model call that follows on a text's token N
    fault:hold=N    once N such texts are begun and write side by side, wait in the model call for as long as a file
                    ``hold`` lies in the folder of the faults; take a while for each step until then

No text ends by itself before its limit, so a test knows how long a stream is.
"""

import math
import os
import re
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
from tokenizers import Tokenizer

from contracts.logs import setup_logging
from contracts.model_package.package import ModelPackage
from workers.decoder.model import DecoderModel
from workers.decoder.tasks import DECODER, GENERATE
from workers.runtime.decoding.caches.cache import Cache, Floats
from workers.runtime.decoding.engine import DecodingEngine
from workers.runtime.decoding.request import Ids
from workers.runtime.decoding.served import serve
from workers.runtime.models.served import ServedModel
from workers.runtime.process.worker import run_worker
from workers.runtime.settings import WorkerSettings

MODEL = "starter-generate"
FAULT = re.compile(r"fault:(hold|slow|kill)=([\d.]+)")
HOLD = "hold"
NUM_BEGUN = 8
"""Tokens of a text that is begun: some of them have a text by then."""
UNTIL_HELD_S = 0.03


class FaultyCache:
    """The real cache, after the faults of its texts."""

    def __init__(self, cache: Cache, tokenizer: Tokenizer, folder: Path) -> None:
        self._cache = cache
        self._tokenizer = tokenizer
        self._folder = folder
        self._faults: dict[int, dict[str, float]] = {}
        self._num_tokens: dict[int, int] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cache, name)

    def prefill(self, slot: int, token_ids: Ids) -> Floats:
        """Read a prompt, and what faults it asks for."""
        found = FAULT.findall(self._tokenizer.decode(token_ids.tolist()))
        self._faults.setdefault(slot, {}).update((fault, float(value)) for fault, value in found)
        self._num_tokens[slot] = 1
        return self._cache.prefill(slot, token_ids)

    def step(self, slots: Sequence[int], token_ids: Sequence[int]) -> Floats:
        """Suffer what the texts ask for, then write."""
        for slot in slots:
            if self._num_tokens[slot] >= self._faults[slot].get("kill", math.inf):
                os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(max(self._faults[slot].get("slow", 0.0) for slot in slots))
        self._hold([slot for slot in slots if HOLD in self._faults[slot]])
        for slot in slots:
            self._num_tokens[slot] += 1
        return self._cache.step(slots, token_ids)

    def free(self, slot: int) -> None:
        """Free a slot and forget its faults."""
        self._faults.pop(slot, None)
        self._cache.free(slot)

    def _hold(self, slots: Sequence[int]) -> None:
        """Wait for as long as these texts are held."""
        begun = [self._faults[slot][HOLD] for slot in slots if self._num_tokens[slot] >= NUM_BEGUN]
        while slots and (self._folder / HOLD).exists():
            time.sleep(UNTIL_HELD_S)
            if len(begun) < max(begun, default=math.inf):
                return


def load(package: ModelPackage, settings: WorkerSettings, engine: DecodingEngine) -> ServedModel:
    """Load a decoder with its faults."""
    model = DecoderModel(package, settings)
    model.warm_up()
    model.generation = msgspec.structs.replace(model.generation, eos_token_ids=[])
    faulty: Any = FaultyCache(model.cache, model.tokenizer, Path(os.environ["FAULT_DIR"]))
    model.cache = faulty
    return serve(model, model.card(), GENERATE, engine)


if __name__ == "__main__":
    setup_logging("faulty-decoder")
    sys.exit(run_worker(WorkerSettings.read(), replace(DECODER, load=load)))
