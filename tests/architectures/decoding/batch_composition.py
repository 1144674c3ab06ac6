"""Sequences that share the batches of one cache: they join, pause and leave at random, by a seed.

Some pause in their slot, others are saved and go on in another one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator

from workers.runtime.decoding.caches.cache import Cache, Floats, Saved


@dataclass
class Run:
    """One greedy sequence: its prompt, and the logits of its generated tokens."""

    prompt: list[int]
    num_tokens: int
    """To generate."""
    chunks: list[int] = field(default_factory=list)
    """Tokens of the prompt in each prefill call."""
    logits: list[Floats] = field(default_factory=list)
    """Of each generated token."""

    @property
    def tokens(self) -> list[int]:
        return [int(row.argmax()) for row in self.logits]

    def prefill(self, cache: Cache, slot: int, size: int) -> bool:
        """Prefill this many more tokens of the prompt; return whether it is complete."""
        done = sum(self.chunks)
        last = cache.prefill(slot, np.array(self.prompt[done : done + size], np.int64))
        self.chunks.append(size)
        if done + size == len(self.prompt):
            self.logits.append(last.copy())
        return bool(self.logits)


def generate_together(cache: Cache, runs: Sequence[Run], seed: int) -> None:
    """Generate all sequences in shared batches. Each starts when it gets a slot."""
    rng, waiting = np.random.default_rng(seed), list(runs)
    prefilling: dict[int, Run] = {}
    decoding: dict[int, Run] = {}
    saved: list[tuple[Run, Saved]] = []
    while waiting or prefilling or decoding or saved:
        if saved and rng.random() < 0.4:
            _restore_first(cache, saved, prefilling, decoding)
        if (prefilling or decoding) and rng.random() < 0.2:
            _save_one(cache, saved, prefilling if prefilling and rng.random() < 0.3 else decoding or prefilling, rng)
        if waiting and rng.random() < 0.6:
            slot = cache.allocate(len(waiting[0].prompt) + waiting[0].num_tokens)
            if slot is not None:
                prefilling[slot] = waiting.pop(0)
        if prefilling and rng.random() < 0.7:
            slot = int(rng.choice(list(prefilling)))
            run = prefilling[slot]
            if run.prefill(cache, slot, int(rng.integers(1, len(run.prompt) - sum(run.chunks) + 1))):
                decoding[slot] = prefilling.pop(slot)
        _free_finished(cache, decoding)
        _step(cache, {slot: decoding[slot] for slot in rng.permutation(list(decoding)) if rng.random() < 0.9})
        _free_finished(cache, decoding)


def _save_one(cache: Cache, saved: list[tuple[Run, Saved]], running: dict[int, Run], rng: Generator) -> None:
    slot = int(rng.choice(list(running)))
    saved.append((running.pop(slot), cache.save([slot])))
    cache.free(slot)


def _restore_first(
    cache: Cache, saved: list[tuple[Run, Saved]], prefilling: dict[int, Run], decoding: dict[int, Run]
) -> None:
    run, content = saved[0]
    slot = cache.allocate(len(run.prompt) + run.num_tokens)
    if slot is not None:
        content.restore([slot])
        (decoding if run.logits else prefilling)[slot] = run
        del saved[0]


def generate_alone(cache: Cache, like: Run) -> Run:
    """Generate a sequence again, alone in its batches, with the same prefill chunks."""
    run = Run(like.prompt, like.num_tokens)
    slot = cache.allocate(len(run.prompt) + run.num_tokens)
    assert slot is not None
    for size in like.chunks:
        run.prefill(cache, slot, size)
    while len(run.logits) < run.num_tokens:
        _step(cache, {slot: run})
    cache.free(slot)
    return run


def _step(cache: Cache, runs: dict[int, Run]) -> None:
    if not runs:
        return
    rows = cache.step([int(slot) for slot in runs], [run.tokens[-1] for run in runs.values()])
    for run, row in zip(runs.values(), rows, strict=True):
        run.logits.append(row.copy())


def _free_finished(cache: Cache, decoding: dict[int, Run]) -> None:
    for slot in [slot for slot, run in decoding.items() if len(run.logits) == run.num_tokens]:
        cache.free(slot)
        del decoding[slot]
