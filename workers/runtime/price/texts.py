"""What a model's texts are like: tokens of a character, and how much is written. Learned from the jobs that succeed."""

import threading

from msgspec import structs

from contracts.price.demand import Demand
from contracts.price.estimate import Reading, limit_of
from contracts.price.profile import NUM_LIMITS, ModelProfile, limit_size
from workers.runtime.price.counts import AttemptCounts
from workers.runtime.price.shares import Share

MOST_TOKENS = 4096
"""A job counts by its tokens, but not for more than these."""
KNOWN_CHARS, KNOWN_PIECES, KNOWN_TOKENS, KNOWN_JOBS = 400.0, 5.0, 100.0, 2.0
"""How much counts what is known before."""
USUAL_PIECE = 25.0
"""Tokens of a sentence."""
MOST_JOBS = 1000.0
"""A worker that has seen more counts no more among others: what is learned of older ones has faded."""
AT_LIMIT = 0.95
"""What has come so near to a limit may have ended by it, and shows nothing else."""


class Texts:
    """What is learned of the texts of one model. All methods can be called from any thread.

    Args:
        profile: of the model, with what is known before.
    """

    def __init__(self, profile: ModelProfile) -> None:
        self._profile = profile
        self._chars = Share(profile.tokens_per_char, KNOWN_CHARS)
        self._tokens_per_char = profile.tokens_per_char
        self._bytes = Share(profile.tokens_per_byte, KNOWN_CHARS)
        self._pieces = Share(profile.tokens_per_piece or USUAL_PIECE, KNOWN_PIECES)
        self._follows = Share(profile.written_per_token_in, KNOWN_TOKENS)
        self._written: dict[int, Share] = {}
        """By size of the limit."""
        self._num_jobs = min(MOST_JOBS, profile.num_jobs)
        self._lock = threading.Lock()

    def see(self, tenant: str, counts: AttemptCounts) -> None:
        """Learn from a job that has succeeded."""
        demand = counts.demand
        if demand is None or not counts.num_rows:
            return
        read = Reading(counts.num_rows / demand.num_reads, counts.tokens_in / demand.num_reads)
        with self._lock:
            self._num_jobs = min(MOST_JOBS, self._num_jobs + 1)
            self._see_reading(tenant, demand, read)
            num_sequences = self._profile.num_beams if demand.num_sequences is None else demand.num_sequences
            if counts.tokens_out and num_sequences:
                self._see_writing(tenant, demand, read, counts.tokens_out / num_sequences)

    def learned(self) -> ModelProfile:
        """Return the profile with what is known of texts by now."""
        with self._lock:
            self._tokens_per_char = self._chars.learned()
            return structs.replace(
                self._profile,
                tokens_per_char=self._tokens_per_char,
                tokens_per_byte=self._bytes.learned(),
                tokens_per_piece=self._pieces.learned() if self._pieces.was_seen else self._profile.tokens_per_piece,
                written_per_token_in=self._follows.learned(),
                written=self._all_written(),
                num_jobs=self._num_jobs,
            )

    def _see_reading(self, tenant: str, demand: Demand, read: Reading) -> None:
        special = read.num_rows * self._profile.special_tokens
        most = read.num_rows * self._profile.max_tokens
        if demand.truncates and most and read.num_tokens > AT_LIMIT * most:
            return
        num_tokens = max(0.0, read.num_tokens - special)
        scale = min(1.0, MOST_TOKENS / max(1.0, num_tokens))
        if demand.num_bytes:
            # What the ASCII characters beside them take is known from other texts.
            of_bytes = max(0.0, num_tokens - demand.num_chars * self._tokens_per_char)
            self._bytes.see(tenant, scale * demand.num_bytes, scale * of_bytes)
        else:
            self._chars.see(tenant, scale * demand.num_chars, scale * num_tokens)
        if demand.is_split:
            self._pieces.see(tenant, scale * read.num_rows, scale * num_tokens)

    def _see_writing(self, tenant: str, demand: Demand, read: Reading, num_tokens: float) -> None:
        """Learn how much each sequence had."""
        written = num_tokens / read.num_rows
        tokens_of_row = read.num_tokens / read.num_rows
        if demand.follows_input:
            most = demand.max_new_tokens
            if most is None or written < AT_LIMIT * most:
                scale = min(1.0, MOST_TOKENS / read.num_tokens)
                self._follows.see(tenant, scale * read.num_tokens, scale * num_tokens)
            return
        limit = limit_of(self._profile, demand, tokens_of_row)
        size = limit_size(limit)
        if size not in self._written:
            self._written[size] = Share(self._all_written()[size], KNOWN_JOBS)
        self._written[size].see(tenant, 1.0, written / limit)

    def _all_written(self) -> list[float]:
        """Return the share that is written of each limit.

        Of a limit that nobody has asked for, it follows from the next lower one: answers that ended before it are no
        longer with a higher limit, and the others are twice as long at most.
        """
        found = list(self._profile.written)
        for size in range(NUM_LIMITS):
            below = found[size - 1] if size else 1.0
            if size in self._written:
                found[size] = self._written[size].learned()
            elif self._profile.written[size] == 1.0:
                found[size] = below * (1 + below) / 2
        return found
