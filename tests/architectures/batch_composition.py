"""Texts that are written side by side in one cache: they join, pause and leave at random, by a seed."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from workers.runtime.decoding.caches.cache import Cache, Floats


@dataclass
class Story:
    """How one text was written: from its prompt to the tokens that were likeliest."""

    prompt: list[int]
    num_tokens: int
    """How many are written after the prompt."""
    pieces: list[int] = field(default_factory=list)
    """Tokens of the prompt that were read in each call."""
    logits: list[Floats] = field(default_factory=list)
    """What each token was chosen by."""

    @property
    def tokens(self) -> list[int]:
        return [int(row.argmax()) for row in self.logits]

    def read(self, cache: Cache, place: int, size: int) -> bool:
        """Read so many more tokens of the prompt; return whether that was all."""
        done = sum(self.pieces)
        last = cache.prefill(place, np.array(self.prompt[done : done + size], np.int64))
        self.pieces.append(size)
        if done + size == len(self.prompt):
            self.logits.append(last.copy())
        return bool(self.logits)


def write_together(cache: Cache, stories: Sequence[Story], seed: int) -> None:
    """Write all stories, each from when it gets a place."""
    rng, waiting = np.random.default_rng(seed), list(stories)
    reading: dict[int, Story] = {}
    writing: dict[int, Story] = {}
    while waiting or reading or writing:
        if waiting and rng.random() < 0.6:
            place = cache.take(len(waiting[0].prompt) + waiting[0].num_tokens)
            if place is not None:
                reading[place] = waiting.pop(0)
        if reading and rng.random() < 0.7:
            place = int(rng.choice(list(reading)))
            story = reading[place]
            if story.read(cache, place, int(rng.integers(1, len(story.prompt) - sum(story.pieces) + 1))):
                writing[place] = reading.pop(place)
        _leave(cache, writing)
        _step(cache, {place: writing[place] for place in rng.permutation(list(writing)) if rng.random() < 0.9})
        _leave(cache, writing)


def write_alone(cache: Cache, like: Story) -> Story:
    """Write a story once more with nobody beside it, its prompt in the same pieces."""
    story = Story(like.prompt, like.num_tokens)
    place = cache.take(len(story.prompt) + story.num_tokens)
    assert place is not None
    for size in like.pieces:
        story.read(cache, place, size)
    while len(story.logits) < story.num_tokens:
        _step(cache, {place: story})
    cache.leave(place)
    return story


def _step(cache: Cache, stories: dict[int, Story]) -> None:
    if not stories:
        return
    rows = cache.step([int(place) for place in stories], [story.tokens[-1] for story in stories.values()])
    for story, row in zip(stories.values(), rows, strict=True):
        story.logits.append(row.copy())


def _leave(cache: Cache, writing: dict[int, Story]) -> None:
    for place in [place for place, story in writing.items() if len(story.logits) == story.num_tokens]:
        cache.leave(place)
        del writing[place]
