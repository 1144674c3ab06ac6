"""Beam search over the texts of one order: which tokens its beams go on with, and which texts it has found.

It knows nothing of models and caches: logits go in, tokens and parents come out. What it finds is what transformers
4.57 finds (``GenerationMixin._beam_search`` without sampling), down to the arithmetic in float32; only

* of equal scores that of the lower beam, then of the lower token id, counts as the higher one, where torch.topk makes
  no promise;
* what is impossible has the score -inf instead of one near -1e9: no text is found twice, none that goes on after its
  end, and no length penalty lets an empty place win against a text. So there may be fewer texts than were asked for.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from workers.runtime.decoding.caches.cache import Floats
from workers.runtime.decoding.request import Beams, GenerationRequest, Ids
from workers.runtime.decoding.sampling.logits_processors import LogitsProcessors
from workers.runtime.decoding.sampling.sampler import NOTHING_LEFT, largest_of
from workers.runtime.decoding.sampling.warpers import ids_of_largest

_LARGEST, _SMALLEST = float(np.finfo(np.float32).max), float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class Continuation:
    """What the beams read next: beam i goes on from what beam ``beam_idx[i]`` has read, with ``token_ids[i]``.

    Both lists are as long as there are beams, and empty when the search is over.
    """

    token_ids: list[int]
    beam_idx: list[int]


@dataclass(frozen=True)
class Hypothesis:
    """A text that the search has found."""

    token_ids: list[int]
    """Without the prompt; with the token that ended the text."""
    score: float
    """The sum of its log-probabilities, constraints and penalties included, divided by its length to the power of the
    length penalty."""
    ended_by_eos: bool
    """If not, it has as many tokens as the order allows."""


@dataclass(frozen=True)
class _Node:
    """A token of a text. Texts that have begun alike share nodes, so a step costs the same however long they are."""

    token_id: int
    before: "_Node | None"


@dataclass
class _Beam:
    score: np.float32
    last: _Node | None
    processors: LogitsProcessors | None
    """None: nothing changes its log-probabilities."""


@dataclass(frozen=True)
class _Candidate:
    score: np.float32
    parent: int
    node: _Node


class BeamSearch:
    """The search of one order. Used by one thread."""

    def __init__(self, request: GenerationRequest, beams: Beams) -> None:
        self._beams = beams
        self._max_new_tokens = request.max_new_tokens
        self._ends = request.eos_token_ids
        self._num_candidates = max(2, 1 + len(self._ends)) * self._beams.num_beams
        processors = LogitsProcessors(request)
        self._running = [_Beam(np.float32(0), None, None if processors.idle else processors)]
        """The likeliest first. Fewer than ``num_beams`` where fewer texts are possible; the others are stand-ins."""
        self._found: list[_Candidate] = []
        """Texts that have ended, with their final scores, the best first."""
        self.num_generated = 0
        """Tokens of each beam."""
        self.finished = False

    def advance(self, logits: Floats) -> Continuation:
        """Let every beam grow by a token.

        Args:
            logits: float32 [num_beams, vocabulary], one row for each beam as the last continuation left them; not
                changed. Before the first token all beams are the same and only the first row is looked at.

        Raises:
            RuntimeError: a logit is NaN or +inf, or there is nothing that any beam could go on with and no text is
                found.
        """
        candidates = self._candidates(logits)
        if not candidates and not self._found:
            raise RuntimeError(NOTHING_LEFT)
        self.num_generated += 1
        is_last = self.num_generated == self._max_new_tokens
        ended = [is_last or candidate.node.token_id in self._ends for candidate in candidates]
        # Those behind the first are only there to go on with.
        hopefuls = zip(candidates[: self._beams.num_beams], ended, strict=False)
        self._add_found([candidate for candidate, has_ended in hopefuls if has_ended])
        alive = [candidate for candidate, has_ended in zip(candidates, ended, strict=True) if not has_ended]
        kept = alive[: self._beams.num_beams]
        self._running = self._continued(kept)
        self.finished = not kept or self._is_settled(kept[0].score)
        if self.finished:
            return Continuation([], [])
        kept += kept[:1] * (self._beams.num_beams - len(kept))
        return Continuation([each.node.token_id for each in kept], [each.parent for each in kept])

    def hypotheses(self) -> list[Hypothesis]:
        """Return the texts that were found, the best first: at most ``num_return_sequences``."""
        best = self._found[: self._beams.num_return_sequences]
        return [Hypothesis(_token_ids(each.node), float(each.score), each.node.token_id in self._ends) for each in best]

    def _candidates(self, logits: Floats) -> list[_Candidate]:
        """Return the likeliest texts that are a token longer, the likeliest first, none that are impossible."""
        tokens, scores = [], []
        for beam, row in zip(self._running, logits, strict=False):
            token_ids, logprobs = _likeliest(row, beam.processors, self._num_candidates)
            tokens.append(token_ids)
            scores.append(logprobs + beam.score)
        parents = np.repeat(np.arange(len(tokens)), [len(token_ids) for token_ids in tokens])
        all_tokens, all_scores = np.concatenate(tokens), np.concatenate(scores)
        best = np.argsort(-all_scores, kind="stable")[: self._num_candidates]
        return [
            _Candidate(all_scores[place], int(parents[place]), self._node(int(parents[place]), int(all_tokens[place])))
            for place in best
        ]

    def _node(self, parent: int, token_id: int) -> _Node:
        return _Node(token_id, self._running[parent].last)

    def _add_found(self, ended: list[_Candidate]) -> None:
        divisor = self._divisor(self.num_generated)
        found = [_Candidate(each.score / divisor, each.parent, each.node) for each in ended]
        self._found = sorted(self._found + found, key=lambda each: -each.score)[: self._beams.num_beams]

    def _continued(self, kept: list[_Candidate]) -> list[_Beam]:
        """Return the beams that go on. The last that goes on from a beam takes over what that one remembers."""
        left = Counter(candidate.parent for candidate in kept)
        beams = []
        for candidate in kept:
            left[candidate.parent] -= 1
            processors = self._running[candidate.parent].processors
            if processors is not None:
                processors = processors.fork() if left[candidate.parent] else processors
                processors.add(candidate.node.token_id)
            beams.append(_Beam(candidate.score, candidate.node, processors))
        return beams

    def _is_settled(self, best_score: np.float32) -> bool:
        """Return whether nothing that is still running is taken to become better than what was found."""
        beams = self._beams
        if len(self._found) < beams.num_beams:
            return False
        if beams.early_stopping is True:
            return True
        longest = beams.early_stopping == "never" and beams.length_penalty > 0
        hoped_for = best_score / self._divisor(self._max_new_tokens if longest else self.num_generated)
        return not hoped_for > self._found[-1].score

    def _divisor(self, num_tokens: int) -> np.float32:
        """Return what a sum of so many log-probabilities is divided by: finite and above 0, whatever the penalty."""
        with np.errstate(over="ignore", under="ignore"):
            power = np.float64(num_tokens) ** self._beams.length_penalty
        return np.float32(min(max(power, _SMALLEST), _LARGEST))


def _likeliest(row: Floats, processors: LogitsProcessors | None, num: int) -> tuple[Ids, Floats]:
    """Return at most ``num`` tokens, int64 ascending, and their log-probabilities, float32; none that are impossible.

    Raises:
        RuntimeError: as ``largest_of``.
    """
    largest = np.float32(largest_of(row))
    if largest == -np.inf:
        return np.empty(0, np.int64), np.empty(0, np.float32)
    with np.errstate(over="ignore"):  # to -inf
        shifted = row - largest
    log_sum = np.log(np.exp(shifted).sum())
    if processors is not None:
        shifted = processors.apply(shifted - log_sum)
    ids = ids_of_largest(shifted, min(num, len(row)))
    values = shifted[ids]
    if len(ids) > num:  # several equal the last one
        first = np.sort(np.argsort(-values, kind="stable")[:num])
        ids, values = ids[first], values[first]
    possible = values > -np.inf
    ids, values = ids[possible], values[possible]
    return ids, values if processors is not None else values - log_sum


def _token_ids(node: _Node | None) -> list[int]:
    backwards = []
    while node is not None:
        backwards.append(node.token_id)
        node = node.before
    return backwards[::-1]
