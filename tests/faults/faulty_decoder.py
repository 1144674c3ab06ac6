"""A real decoder worker whose model calls can be held, slowed down, or made to kill it. The fault tests start it.

It is the worker of `workers.decoder` with the starter model, except that its cache looks for these words in prompts:

    fault:slow=S    every step takes S seconds longer
    fault:kill=N    the process dies by SIGKILL in the model call after token N of this text
    fault:hold=N    as soon as N such texts share a batch, the model call waits for as long as there is a file ``hold``
                    in the folder of the faults; until then each step takes longer

No text ends before its maximum length, so a test knows how long a stream is.

Each step with a text that has ``fault:slow`` adds a line to a file ``steps`` in the same folder: when it began, in
seconds since the epoch, and of how many texts it was.
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

from contracts.logs.settings import setup_logging
from contracts.model_package.package import ModelPackage
from workers.decoder.model import DecoderModel
from workers.decoder.tasks import DECODER, GENERATE
from workers.runtime.decoding.caches.cache import Cache, Floats, Saved
from workers.runtime.decoding.engine import DecodingEngine
from workers.runtime.decoding.request import Ids
from workers.runtime.decoding.served import serve
from workers.runtime.models.served import ServedModel
from workers.runtime.process.worker import run_worker
from workers.runtime.settings import WorkerSettings

MODEL = "starter-generate"
FAULT = re.compile(r"fault:(hold|slow|kill)=([\d.]+)")
HOLD = "hold"
STEPS = "steps"
MIN_HELD_TOKENS = 8
"""A text counts for ``fault:hold`` from this number of tokens on, so that some of its text was streamed by then."""
DELAY_UNTIL_HELD_S = 0.03
WAIT_FOR_TEXTS_S = 0.3
"""The delay of a step when only texts are missing that have not come yet: no text may end before they do."""


class FaultyCache:
    """The real cache, with the faults that its prompts ask for."""

    def __init__(self, cache: Cache, tokenizer: Tokenizer, folder: Path) -> None:
        self._cache = cache
        self._tokenizer = tokenizer
        self._folder = folder
        self._faults: dict[int, dict[str, float]] = {}
        self._num_tokens: dict[int, int] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cache, name)

    def prefill(self, slot: int, token_ids: Ids) -> Floats:
        """Prefill, and take note of the faults in the prompt."""
        found = FAULT.findall(self._tokenizer.decode(token_ids.tolist()))
        self._faults.setdefault(slot, {}).update((fault, float(value)) for fault, value in found)
        self._num_tokens[slot] = 1
        return self._cache.prefill(slot, token_ids)

    def step(self, slots: Sequence[int], token_ids: Sequence[int]) -> Floats:
        """Apply the faults of these slots, then step."""
        for slot in slots:
            if self._num_tokens[slot] >= self._faults[slot].get("kill", math.inf):
                os.kill(os.getpid(), signal.SIGKILL)
        delay_s = max(self._faults[slot].get("slow", 0.0) for slot in slots)
        if delay_s:
            with (self._folder / STEPS).open("a") as steps:
                steps.write(f"{time.time()} {len(slots)}\n")
            time.sleep(delay_s)
        self._hold([slot for slot in slots if HOLD in self._faults[slot]])
        for slot in slots:
            self._num_tokens[slot] += 1
        return self._cache.step(slots, token_ids)

    def free(self, slot: int) -> None:
        """Free a slot and forget its faults."""
        self._faults.pop(slot, None)
        self._cache.free(slot)

    def save(self, slots: Sequence[int]) -> Saved:
        """Save the faults of these slots, too: a text that is paused goes on in other ones."""
        num_bytes, restore = self._cache.save(slots)
        kept = [(self._faults[slot], self._num_tokens[slot]) for slot in slots]

        def restore_all(restored: Sequence[int]) -> None:
            for slot, (faults, num_tokens) in zip(restored, kept, strict=True):
                self._faults[slot], self._num_tokens[slot] = faults, num_tokens
            restore(restored)

        return Saved(num_bytes, restore_all)

    def _hold(self, slots: Sequence[int]) -> None:
        """Wait while the file exists, if enough texts share this batch; else delay the step a little."""
        sizes = [self._faults[slot][HOLD] for slot in slots if self._num_tokens[slot] >= MIN_HELD_TOKENS]
        while slots and (self._folder / HOLD).exists():
            are_missing = len(sizes) < max(sizes, default=math.inf)
            time.sleep(WAIT_FOR_TEXTS_S if are_missing and len(sizes) == len(slots) else DELAY_UNTIL_HELD_S)
            if are_missing:
                return


def load(package: ModelPackage, settings: WorkerSettings, engine: DecodingEngine) -> ServedModel:
    """Load a decoder with a faulty cache."""
    model = DecoderModel(package, settings)
    model.warm_up()
    model.generation = msgspec.structs.replace(model.generation, eos_token_ids=[])
    faulty: Any = FaultyCache(model.cache, model.tokenizer, Path(os.environ["FAULT_DIR"]))
    model.cache = faulty
    return serve(model, model.card(), GENERATE, engine, settings)


if __name__ == "__main__":
    setup_logging("faulty-decoder")
    sys.exit(run_worker(WorkerSettings.read(), replace(DECODER, load=load)))
