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

    def read(self, cache: Cache, slot: int, size: int) -> bool:
        """Read so many more tokens of the prompt; return whether that was all."""
        done = sum(self.pieces)
        last = cache.prefill(slot, np.array(self.prompt[done : done + size], np.int64))
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
            slot = cache.allocate(len(waiting[0].prompt) + waiting[0].num_tokens)
            if slot is not None:
                reading[slot] = waiting.pop(0)
        if reading and rng.random() < 0.7:
            slot = int(rng.choice(list(reading)))
            story = reading[slot]
            if story.read(cache, slot, int(rng.integers(1, len(story.prompt) - sum(story.pieces) + 1))):
                writing[slot] = reading.pop(slot)
        _free(cache, writing)
        _step(cache, {slot: writing[slot] for slot in rng.permutation(list(writing)) if rng.random() < 0.9})
        _free(cache, writing)


def write_alone(cache: Cache, like: Story) -> Story:
    """Write a story once more with nobody beside it, its prompt in the same pieces."""
    story = Story(like.prompt, like.num_tokens)
    slot = cache.allocate(len(story.prompt) + story.num_tokens)
    assert slot is not None
    for size in like.pieces:
        story.read(cache, slot, size)
    while len(story.logits) < story.num_tokens:
        _step(cache, {slot: story})
    cache.free(slot)
    return story


def _step(cache: Cache, stories: dict[int, Story]) -> None:
    if not stories:
        return
    rows = cache.step([int(slot) for slot in stories], [story.tokens[-1] for story in stories.values()])
    for story, row in zip(stories.values(), rows, strict=True):
        story.logits.append(row.copy())


def _free(cache: Cache, writing: dict[int, Story]) -> None:
    for slot in [slot for slot, story in writing.items() if len(story.logits) == story.num_tokens]:
        cache.free(slot)
        del writing[slot]
