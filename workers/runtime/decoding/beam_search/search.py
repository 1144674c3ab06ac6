"""Beam search for one request: how its beams continue, and which texts it has finished.

The search knows nothing of models and caches: it gets logits and returns tokens and beam indices. It finds what
transformers 4.57 finds (``GenerationMixin._beam_search`` without sampling), down to the float32 arithmetic, except that

* of equal scores, the one of the lower beam, then of the lower token id, counts as the higher one, where torch.topk
  guarantees no order;
* impossible continuations have the score -inf instead of one near -1e9. So no text is found twice, none continues after
  its end, and no length penalty lets an empty hypothesis win. There may be fewer texts than requested.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from workers.runtime.decoding.caches.cache import Floats
from workers.runtime.decoding.request import Beams, GenerationRequest, Ids
from workers.runtime.decoding.sampling.logits_processors import LogitsProcessors
from workers.runtime.decoding.sampling.sampler import NOTHING_ALLOWED, largest_of
from workers.runtime.decoding.sampling.warpers import ids_of_largest

_LARGEST, _SMALLEST = float(np.finfo(np.float32).max), float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class Continuation:
    """How the beams continue: beam i takes over the tokens of beam ``beam_idx[i]`` and appends ``token_ids[i]``.

    Both lists have one entry for each beam, and are empty when the search is finished.
    """

    token_ids: list[int]
    beam_idx: list[int]


@dataclass(frozen=True)
class Hypothesis:
    """A finished text."""

    token_ids: list[int]
    """Without the prompt; with the end-of-sequence token."""
    score: float
    """The sum of the log-probabilities, after constraints and penalties, divided by the length to the power of the
    length penalty."""
    ended_by_eos: bool
    """If not, it has reached the request's maximum length."""


@dataclass(frozen=True)
class _Node:
    """The last token of a text, linked to those before it.

    Texts that start alike share nodes, so a step costs the same however long they are.
    """

    token_id: int
    previous: "_Node | None"


@dataclass
class _Beam:
    score: np.float32
    last: _Node | None
    processors: LogitsProcessors | None
    """None: nothing changes its log-probabilities."""


@dataclass(frozen=True)
class _Candidate:
    score: np.float32
    beam_index: int
    node: _Node


class BeamSearch:
    """The search of one request. Used by one thread."""

    def __init__(self, request: GenerationRequest, beams: Beams) -> None:
        self._beams = beams
        self._max_new_tokens = request.max_new_tokens
        self._eos_token_ids = request.eos_token_ids
        # As many as transformers keeps: even if all end-of-sequence tokens are among the best, enough others are left.
        self._num_candidates = max(2, 1 + len(self._eos_token_ids)) * beams.num_beams
        processors = LogitsProcessors(request)
        self._running = [_Beam(np.float32(0), None, None if processors.idle else processors)]
        """The likeliest first. Fewer than ``num_beams`` if fewer continuations are possible."""
        self._finished_texts: list[_Candidate] = []
        """Finished texts with their final scores, the best first."""
        self.num_generated = 0
        """Tokens of each running beam."""
        self.finished = False

    def advance(self, logits: Floats) -> Continuation:
        """Append a token to every beam.

        Args:
            logits: float32 [num_beams, vocabulary], one row for each beam of the last continuation; not changed.
                Before the first token all beams are the same, and only the first row is used.

        Raises:
            RuntimeError: a logit is NaN or +inf; or no beam can continue and no text is finished.
        """
        candidates = self._candidates(logits)
        if not candidates and not self._finished_texts:
            raise RuntimeError(NOTHING_ALLOWED)
        self.num_generated += 1
        is_last = self.num_generated == self._max_new_tokens
        ended = [is_last or candidate.node.token_id in self._eos_token_ids for candidate in candidates]
        # As in transformers, a text that ends counts only if it is among the best num_beams. The candidates behind
        # those are there to continue with.
        best = zip(candidates[: self._beams.num_beams], ended, strict=False)
        self._add_finished([candidate for candidate, has_ended in best if has_ended])
        alive = [candidate for candidate, has_ended in zip(candidates, ended, strict=True) if not has_ended]
        kept = alive[: self._beams.num_beams]
        self._running = self._continue(kept)
        self.finished = not kept or self._is_done(kept[0].score)
        if self.finished:
            return Continuation([], [])
        # The model runs num_beams rows in any case; copies of the best beam fill them up, and their logits are ignored.
        kept += kept[:1] * (self._beams.num_beams - len(kept))
        return Continuation([each.node.token_id for each in kept], [each.beam_index for each in kept])

    def hypotheses(self) -> list[Hypothesis]:
        """Return the best finished texts, the best first: at most ``num_return_sequences``."""
        best = self._finished_texts[: self._beams.num_return_sequences]
        return [
            Hypothesis(_token_ids(each.node), float(each.score), each.node.token_id in self._eos_token_ids)
            for each in best
        ]

    def _candidates(self, logits: Floats) -> list[_Candidate]:
        """Return the likeliest possible continuations over all beams, the likeliest first."""
        tokens, scores = [], []
        for beam, row in zip(self._running, logits, strict=False):
            token_ids, logprobs = _likeliest(row, beam.processors, self._num_candidates)
            tokens.append(token_ids)
            scores.append(logprobs + beam.score)
        beams = np.repeat(np.arange(len(tokens)), [len(token_ids) for token_ids in tokens])
        all_tokens, all_scores = np.concatenate(tokens), np.concatenate(scores)
        # Stable, so that of equal scores the lower beam and token count as the higher ones.
        best = np.argsort(-all_scores, kind="stable")[: self._num_candidates]
        return [
            _Candidate(all_scores[index], beam, _Node(int(all_tokens[index]), self._running[beam].last))
            for index in best
            for beam in [int(beams[index])]
        ]

    def _add_finished(self, ended: list[_Candidate]) -> None:
        divisor = self._divisor(self.num_generated)
        scored = [_Candidate(each.score / divisor, each.beam_index, each.node) for each in ended]
        # The sort is stable: of equal scores the text that was finished earlier stays before.
        self._finished_texts = sorted(self._finished_texts + scored, key=lambda each: -each.score)[
            : self._beams.num_beams
        ]

    def _continue(self, kept: list[_Candidate]) -> list[_Beam]:
        """Return the beams of these candidates, each with logits processors of its own."""
        # Of several continuations of one beam, the last takes over its processors and the others get copies.
        left = Counter(candidate.beam_index for candidate in kept)
        beams = []
        for candidate in kept:
            left[candidate.beam_index] -= 1
            processors = self._running[candidate.beam_index].processors
            if processors is not None:
                processors = processors.fork() if left[candidate.beam_index] else processors
                processors.add(candidate.node.token_id)
            beams.append(_Beam(candidate.score, candidate.node, processors))
        return beams

    def _is_done(self, best_score: np.float32) -> bool:
        """Return whether, by the ``early_stopping`` rule, no running beam is expected to beat the finished texts."""
        beams = self._beams
        if len(self._finished_texts) < beams.num_beams:
            return False
        if beams.early_stopping is True:
            return True
        # A positive length penalty raises the score of longer texts, so only the greatest length bounds what a running
        # beam can reach.
        longest = beams.early_stopping == "never" and beams.length_penalty > 0
        attainable = best_score / self._divisor(self._max_new_tokens if longest else self.num_generated)
        return not attainable > self._finished_texts[-1].score

    def _divisor(self, num_tokens: int) -> np.float32:
        """Return the divisor of a sum of this many log-probabilities: finite and above 0, whatever the penalty."""
        with np.errstate(over="ignore", under="ignore"):
            # numpy's float becomes inf where Python's raises OverflowError.
            power = np.float64(num_tokens) ** self._beams.length_penalty
        return np.float32(min(max(power, _SMALLEST), _LARGEST))


def _likeliest(row: Floats, processors: LogitsProcessors | None, num: int) -> tuple[Ids, Floats]:
    """Return at most ``num`` possible tokens, int64 ascending, and their log-probabilities, float32.

    Raises:
        RuntimeError: as ``largest_of``.
    """
    largest = np.float32(largest_of(row))
    if largest == -np.inf:
        # No token is possible, and -inf minus -inf would be NaN.
        return np.empty(0, np.int64), np.empty(0, np.float32)
    with np.errstate(over="ignore"):  # a difference of huge logits may overflow to -inf, which is the right limit
        shifted = row - largest
    log_sum = np.log(np.exp(shifted).sum())
    if processors is not None:
        shifted = processors.apply(shifted - log_sum)
    ids = ids_of_largest(shifted, min(num, len(row)))
    values = shifted[ids]
    if len(ids) > num:  # several tokens are as likely as the last one
        first = np.sort(np.argsort(-values, kind="stable")[:num])
        ids, values = ids[first], values[first]
    possible = values > -np.inf
    ids, values = ids[possible], values[possible]
    # Without processors only the chosen values are normalized, not the whole vocabulary.
    return ids, values if processors is not None else values - log_sum


def _token_ids(node: _Node | None) -> list[int]:
    backwards = []
    while node is not None:
        backwards.append(node.token_id)
        node = node.previous
    return backwards[::-1]
