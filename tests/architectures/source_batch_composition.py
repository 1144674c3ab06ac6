"""Texts of several sources that are written side by side: they join, pause, leave and go on from one another."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator

from workers.runtime.decoding.caches.cache import Floats, SourceCache


@dataclass
class Search:
    """Texts of one source. A single one writes what is likeliest; several write at random, and go on at random."""

    source: list[int]
    prefix: list[int]
    num_tokens: int
    """How many are written after the prefix."""
    num_beams: int = 1
    texts: list[list[int]] = field(default_factory=list)
    """Each beam's tokens, the prefix included."""
    logits: dict[tuple[int, ...], Floats] = field(default_factory=dict)
    """By the tokens after which they came."""
    places: list[int] = field(default_factory=list)

    def join(self, cache: SourceCache) -> bool:
        """Take a place for each beam and read the source, if there is room."""
        places = [cache.take(len(self.prefix) + self.num_tokens) for _ in range(self.num_beams)]
        self.places = [place for place in places if place is not None]
        if len(self.places) < self.num_beams:
            self.leave(cache)
            return False
        cache.read_source(self.places, np.array(self.source))
        self.texts = [self.prefix[:1]]
        return True

    def leave(self, cache: SourceCache) -> None:
        for place in self.places:
            cache.leave(place)
        self.places = []

    def steps(self) -> list[tuple[int, list[int]]]:
        """Return which places read a token now, and their texts; the prefix is read by the first alone."""
        return list(zip(self.places, self.texts, strict=False))

    def go_on(self, cache: SourceCache, rng: Generator) -> None:
        """Let each text have its next token."""
        read = len(self.texts[0])
        if read < len(self.prefix):
            self.texts = [self.prefix[: read + 1]]
            return
        if len(self.texts) < self.num_beams:
            self._inherit(cache, [0] * self.num_beams)
        elif self.num_beams > 1 and rng.random() < 0.7:
            self._inherit(cache, rng.integers(self.num_beams, size=self.num_beams).tolist())
        for text in self.texts:
            best = np.argsort(-self.logits[tuple(text)])
            text.append(int(best[0] if self.num_beams == 1 else best[rng.integers(6)]))

    def _inherit(self, cache: SourceCache, parents: list[int]) -> None:
        cache.rearrange(self.places, [self.places[parent] for parent in parents])
        self.texts = [list(self.texts[parent]) for parent in parents]


def search_together(cache: SourceCache, searches: Sequence[Search], seed: int) -> None:
    """Run all searches, each from when there is room for it."""
    rng, waiting, running = np.random.default_rng(seed), list(searches), list[Search]()
    while waiting or running:
        if waiting and rng.random() < 0.6 and waiting[0].join(cache):
            running.append(waiting.pop(0))
        stepping = [search for search in running if rng.random() < 0.8]
        pairs = [pair for search in stepping for pair in search.steps()]
        if not pairs:
            continue
        _step(cache, stepping, [pairs[index] for index in rng.permutation(len(pairs))])
        for search in stepping:
            if len(search.texts[0]) == len(search.prefix) + search.num_tokens:
                search.leave(cache)
                running.remove(search)
            else:
                search.go_on(cache, rng)


def logits_alone(cache: SourceCache, source: Sequence[int], tokens: Sequence[int]) -> list[Floats]:
    """Return the logits after each of these tokens, with nobody beside them."""
    place = cache.take(len(tokens))
    assert place is not None
    cache.read_source([place], np.array(source))
    found = [cache.step([place], [token])[0].copy() for token in tokens]
    cache.leave(place)
    return found


def _step(cache: SourceCache, searches: Sequence[Search], pairs: Sequence[tuple[int, list[int]]]) -> None:
    rows = cache.step([place for place, _ in pairs], [text[-1] for _, text in pairs])
    owner = {place: search for search in searches for place in search.places}
    for (place, text), row in zip(pairs, rows, strict=True):
        owner[place].logits[tuple(text)] = row.copy()
