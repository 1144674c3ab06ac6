"""Searches over several sources that share batches: they join, pause, leave and reorder their beams at random.

Some pause in their slots, others are saved and go on in others.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator

from workers.runtime.decoding.caches.cache import EncoderDecoderCache, Floats, Saved


@dataclass
class Search:
    """The beams of one source. A single beam is greedy; several choose tokens and continue one another at random."""

    source: list[int]
    prefix: list[int]
    num_tokens: int
    """To generate after the prefix."""
    num_beams: int = 1
    texts: list[list[int]] = field(default_factory=list)
    """Each beam's tokens, the prefix included."""
    logits: dict[tuple[int, ...], Floats] = field(default_factory=dict)
    """By the tokens that precede them."""
    slots: list[int] = field(default_factory=list)
    saved: Saved | None = None
    """What its slots held, if they were given away."""

    def join(self, cache: EncoderDecoderCache) -> bool:
        """Allocate a slot for each beam and encode the source or restore it, if there is room; return whether."""
        slots = [cache.allocate(len(self.prefix) + self.num_tokens) for _ in range(self.num_beams)]
        self.slots = [slot for slot in slots if slot is not None]
        if len(self.slots) < self.num_beams:
            self.free(cache)
            return False
        if self.saved:
            self.saved.restore(self.slots)
        else:
            cache.encode(self.slots, np.array(self.source))
            self.texts = [self.prefix[:1]]
        return True

    def give_way(self, cache: EncoderDecoderCache) -> None:
        """Save what the slots hold, and free them."""
        self.saved = cache.save(self.slots)
        self.free(cache)

    def free(self, cache: EncoderDecoderCache) -> None:
        for slot in self.slots:
            cache.free(slot)
        self.slots = []

    def steps(self) -> list[tuple[int, list[int]]]:
        """Return the slots of the next step, with their tokens. Only the first one processes the prefix."""
        return list(zip(self.slots, self.texts, strict=False))

    def append(self, cache: EncoderDecoderCache, rng: Generator) -> None:
        """Append the next token to each beam."""
        read = len(self.texts[0])
        if read < len(self.prefix):
            self.texts = [self.prefix[: read + 1]]
            return
        if len(self.texts) < self.num_beams:
            self._reorder(cache, [0] * self.num_beams)
        elif self.num_beams > 1 and rng.random() < 0.7:
            self._reorder(cache, rng.integers(self.num_beams, size=self.num_beams).tolist())
        for text in self.texts:
            best = np.argsort(-self.logits[tuple(text)])
            text.append(int(best[0] if self.num_beams == 1 else best[rng.integers(6)]))

    def _reorder(self, cache: EncoderDecoderCache, beam_idx: list[int]) -> None:
        cache.reorder_cache(self.slots, beam_idx)
        self.texts = [list(self.texts[index]) for index in beam_idx]


def search_together(cache: EncoderDecoderCache, searches: Sequence[Search], seed: int) -> None:
    """Run all searches. Each starts when there is room for it."""
    rng, waiting, running = np.random.default_rng(seed), list(searches), list[Search]()
    while waiting or running:
        if waiting and rng.random() < 0.6 and waiting[0].join(cache):
            running.append(waiting.pop(0))
        if running and rng.random() < 0.2:
            waiting.append(running.pop(int(rng.integers(len(running)))))
            waiting[-1].give_way(cache)
        stepping = [search for search in running if rng.random() < 0.8]
        pairs = [pair for search in stepping for pair in search.steps()]
        if not pairs:
            continue
        _step(cache, stepping, [pairs[index] for index in rng.permutation(len(pairs))])
        for search in stepping:
            if len(search.texts[0]) == len(search.prefix) + search.num_tokens:
                search.free(cache)
                running.remove(search)
            else:
                search.append(cache, rng)


def logits_alone(cache: EncoderDecoderCache, source: Sequence[int], tokens: Sequence[int]) -> list[Floats]:
    """Return the logits after each of these tokens, computed alone."""
    slot = cache.allocate(len(tokens))
    assert slot is not None
    cache.encode([slot], np.array(source))
    found = [cache.step([slot], [token])[0].copy() for token in tokens]
    cache.free(slot)
    return found


def _step(cache: EncoderDecoderCache, searches: Sequence[Search], pairs: Sequence[tuple[int, list[int]]]) -> None:
    rows = cache.step([slot for slot, _ in pairs], [text[-1] for _, text in pairs])
    owner = {slot: search for search in searches for slot in search.slots}
    for (slot, text), row in zip(pairs, rows, strict=True):
        owner[slot].logits[tuple(text)] = row.copy()
