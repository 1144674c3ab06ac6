"""How long the work on a model takes: as measured when it was loaded, and slowly corrected by what really runs.

Calls of a worker that is not full cost more for each row, so these only show that times are too long. What corrections
miss, or find too late, the speed of the worker shows at once (`speed`).
"""

import threading
from dataclasses import dataclass

from msgspec import structs

from contracts.price.profile import ModelProfile
from workers.runtime.price.counts import AttemptCounts
from workers.runtime.price.windows import Totals

SLOWNESS_S = 180.0
"""Seconds of calls after which a correction has taken effect by two thirds. Jobs wait at the prices of their submit, so
within the time that a queue is long, prices must hardly change."""
MOST_AT_ONCE = 2.0
"""A window that took so many times as long as expected, or more, counts as this."""
MOST = 16.0
"""Times that are so many times what was measured are not believed."""
ALONE = 1.25
"""By how much longer calls may take beside all that a full worker, its gateway and its store do meanwhile."""
LARGE_TOKENS = 256
"""Jobs that read more, or several rows, show what each token takes outside of model calls, the others what a job
takes."""
TAKING_SHARE = 0.2
"""How much the last window counts for the time that it takes to take a job."""
REMEMBERED = 256
"""Jobs after which an older one counts a third."""
REQUEST_S, TOKEN_S, TAKING_S = 0.0002, 0.000001, 0.0001
"""CPU time outside of model calls, before a job was seen: of each job, of each token that it reads, and of taking a
job from the store and recording its end."""
ENOUGH = 8
"""Jobs that must be seen before they count."""


@dataclass(slots=True)
class _Jobs:
    """Means of the jobs of a kind."""

    num_jobs: int = 0
    num_tokens: float = 0.0
    cpu_s: float = 0.0

    def see(self, num_tokens: int, cpu_s: float) -> None:
        """Count a job."""
        self.num_jobs = min(REMEMBERED, self.num_jobs + 1)
        self.num_tokens += (num_tokens - self.num_tokens) / self.num_jobs
        self.cpu_s += (cpu_s - self.cpu_s) / self.num_jobs


class Rates:
    """The times of one model. Methods can be called from any thread.

    Args:
        measured: when it was loaded.
        kept: what workers on such a device have found; None if there was none.
    """

    def __init__(self, measured: ModelProfile, kept: ModelProfile | None = None) -> None:
        start = kept or measured
        self._measured = measured
        self._request_s = kept.request_s if kept else REQUEST_S + TAKING_S
        self._row_s = start.row_s
        self._token_outside_s = kept.token_in_outside_s if kept else TOKEN_S
        """Until enough jobs were seen."""
        self._token_in_s = max(0.0, kept.token_in_s - kept.token_in_outside_s) if kept else measured.token_in_s
        self._token_pair_s = start.token_pair_s
        self._token_out_s = start.token_out_s
        self._step_s = start.step_s or measured.step_s
        self._small, self._large = _Jobs(), _Jobs()
        self._taking_s = TAKING_S
        self._lock = threading.Lock()

    def see_job(self, counts: AttemptCounts) -> None:
        """Learn from the CPU time of a job between its model calls."""
        is_small = counts.num_rows == 1 and counts.tokens_in <= LARGE_TOKENS
        with self._lock:
            (self._small if is_small else self._large).see(counts.tokens_in, counts.cpu_s)

    def see_window(self, done: Totals, taking_s: float | None, *, is_full: bool = True) -> None:
        """Correct the times by what was done in a window.

        Args:
            done: on this model.
            taking_s: CPU time that each job took to be taken from the store and to be recorded there; None if that is
                not known.
            is_full: whether the worker was full. If not, times get shorter, if anything.
        """
        with self._lock:
            if taking_s is not None:
                # Between the ends of a few long jobs much is spent that is not for these.
                self._taking_s += (_believable(taking_s, TAKING_S) - self._taking_s) * TAKING_SHARE
            of_pairs = done.token_pairs * self._token_pair_s
            of_rows = done.num_rows * self._row_s + done.tokens_in * self._token_in_s
            read = _correction(done.read_s, of_rows + of_pairs, is_full)
            write = _correction(done.write_s, done.tokens_out * self._token_out_s, is_full)
            self._row_s = _believable(read * self._row_s, self._measured.row_s)
            self._token_in_s = _believable(read * self._token_in_s, self._measured.token_in_s)
            self._token_pair_s = _believable(read * self._token_pair_s, self._measured.token_pair_s)
            self._token_out_s = _believable(write * self._token_out_s, self._measured.token_out_s)
            self._step_s = _believable(write * self._step_s, self._measured.step_s)

    def applied_to(self, profile: ModelProfile) -> ModelProfile:
        """Return a profile with these times; without any if the model could not be measured."""
        with self._lock:
            if not self._row_s + self._token_in_s + self._token_out_s:
                return profile
            token_s = self._learned_token_outside_s()
            of_job_s = self._small.cpu_s - token_s * self._small.num_tokens
            return structs.replace(
                profile,
                request_s=self._taking_s + max(0.0, of_job_s) if self._small.num_jobs >= ENOUGH else self._request_s,
                row_s=self._row_s,
                token_in_s=self._token_in_s + token_s,
                token_in_outside_s=token_s,
                token_pair_s=self._token_pair_s,
                token_out_s=self._token_out_s,
                step_s=self._step_s,
            )

    def _learned_token_outside_s(self) -> float:
        small, large = self._small, self._large
        if min(small.num_jobs, large.num_jobs) < ENOUGH or large.num_tokens < 2 * small.num_tokens:
            return self._token_outside_s
        return max(0.0, (large.cpu_s - small.cpu_s) / (large.num_tokens - small.num_tokens))


def _correction(taken_s: float, expected_s: float, is_full: bool) -> float:
    """Return by what factor times change now that something took so long."""
    if expected_s <= 0:
        return 1.0
    ratio = taken_s / expected_s if is_full else min(1.0, ALONE * taken_s / expected_s)
    ratio = min(MOST_AT_ONCE, max(1 / MOST_AT_ONCE, ratio))
    return float(ratio ** min(1.0, taken_s / SLOWNESS_S))


def _believable(time_s: float, measured_s: float) -> float:
    return min(MOST * measured_s, max(measured_s / MOST, time_s)) if measured_s else time_s
