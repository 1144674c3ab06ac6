"""What a worker and the store exchange: outcomes there, claims back, in one call. Steps 4 and 7 on the path of a job.

An outcome stays here until the store has it, however long that takes; sent again it has the same effect. A call that
took jobs and whose reply was lost is made again with its token, and so finds the jobs that it has started.
"""

import logging
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import NamedTuple

import redis

from contracts.jobs import SUSPECT_SUFFIX, Claim, queue_of
from contracts.store.attempt_store import MAX_JOBS, AttemptStore, new_token
from contracts.store.attempts.outcomes import Outcome
from contracts.store.attempts.turn import Turn
from workers.runtime.attempts.attempt import Attempt
from workers.runtime.attempts.room import JobRoom

logger = logging.getLogger(__name__)
MAX_OUTCOME_BYTES = 1 << 20
"""Of one call: larger ones would keep the store from others. A single outcome may be larger."""
SUSPECTS_TURN = 4
"""Of so many calls that look for suspects, one takes them before all others."""
MAX_QUEUES = 32
"""That one call looks into."""


class Ended(NamedTuple):
    """An attempt whose outcome is to be recorded."""

    attempt: Attempt
    outcome: Outcome


class Exchange(NamedTuple):
    """What a call has brought."""

    ended: Sequence[Attempt]
    """Their outcomes are recorded, or refused because another attempt owns the job."""
    claims: Sequence[Claim]


class Turns:
    """The calls of one worker, and what the next one has to say. Only the intake's thread uses it.

    Args:
        store: where jobs come from and go to.
        worker_id: of this worker.
        room: memory for jobs.
    """

    def __init__(self, store: AttemptStore, worker_id: str, room: JobRoom) -> None:
        self._store = store
        self._worker_id = worker_id
        self._room = room
        self._outcomes: deque[Ended] = deque()
        self._awake: dict[str, None] = {}
        """Queues in which jobs may wait, the one whose turn it is first."""
        self._num_suspects = 0
        """In hand."""
        self._num_looks = 0
        """Calls in a row that looked for suspects, too."""
        self._token = new_token()
        self.is_unanswered = False
        """Whether a call may have started jobs without that this worker knows."""
        self._most_outcomes = MAX_JOBS
        """Of the next call: after a failure, which may be due to one of them, a single one, then none."""

    @property
    def num_outcomes(self) -> int:
        """Outcomes that wait for the next calls."""
        return len(self._outcomes)

    @property
    def may_find_jobs(self) -> bool:
        """Whether a call could find jobs to start."""
        return any(map(self._may_look, self._awake)) or self._next_large is not None

    @property
    def is_due(self) -> bool:
        """Whether a call must be made, even if no job may be started."""
        return bool(self._outcomes) or self.is_unanswered

    def wake(self, queue: str) -> None:
        """Note that jobs wait in a queue."""
        self._awake[queue] = None

    def add(self, ended: Iterable[Ended]) -> None:
        """Record outcomes with the next calls."""
        self._outcomes.extend(ended)

    def drop_outcomes(self) -> list[Attempt]:
        """Forget all outcomes, because the jobs were released; return their attempts."""
        attempts = [attempt for attempt, _ in self._outcomes]
        self._outcomes.clear()
        return attempts

    def take(self, num_wanted: int, num_free: int) -> Exchange:
        """Record outcomes, and start jobs: one call of the store.

        Args:
            num_wanted: most jobs to start.
            num_free: places for them, besides those of the jobs whose outcomes the call records.

        Raises:
            redis.RedisError: the store is out of reach, or refuses what was sent. The next call says it again.
        """
        outcomes = self._next_outcomes()
        max_jobs = min(MAX_JOBS, num_wanted, num_free + len(outcomes))
        sources = self._sources(outcomes) if max_jobs > 0 else []
        is_repeated = self.is_unanswered  # then it may bring what it has started before, and look nowhere else
        try:
            turn = self._call(outcomes, sources, max_jobs)
        except redis.RedisError:
            self._outcomes.rotate(-1)  # one that the store refuses must not stop the others
            self._most_outcomes = 1 if self._most_outcomes != 1 else 0
            raise
        self._most_outcomes = MAX_JOBS if self._most_outcomes else 1
        for _ in outcomes:
            self._outcomes.popleft()
        for (attempt, _), accepted in zip(outcomes, turn.accepted, strict=True):
            if not accepted:
                logger.info("outcome refused: the attempt has lost its job", extra=attempt.claim.log_fields)
        if not is_repeated:
            self._note_sources(sources, all_taken=len(turn.claims) < max_jobs)
        if turn.too_large:
            self._room.wait_for(turn.too_large)
        self._num_suspects += sum(1 for claim in turn.claims if claim.group)
        self._num_suspects -= sum(1 for attempt, _ in outcomes if attempt.group)
        return Exchange([attempt for attempt, _ in outcomes], turn.claims)

    def _call(self, outcomes: Sequence[Ended], sources: Sequence[str], max_jobs: int) -> Turn:
        if sources:
            self.is_unanswered = True
        turn = self._store.turn(
            self._worker_id,
            [outcome for _, outcome in outcomes],
            sources=sources,
            max_jobs=max(max_jobs, 1) if self.is_unanswered else 0,
            room=self._room.small,
            token=self._token,
        )
        if self.is_unanswered:
            self._token, self.is_unanswered = new_token(), False
        return turn

    def _next_outcomes(self) -> list[Ended]:
        """Return the outcomes of the next call."""
        found: list[Ended] = []
        num_bytes = 0
        for ended in islice(self._outcomes, self._most_outcomes):
            num_bytes += ended.outcome.num_bytes
            if found and num_bytes > MAX_OUTCOME_BYTES:
                break
            found.append(ended)
        return found

    def _sources(self, outcomes: Sequence[Ended]) -> list[str]:
        """Return where to look for jobs: the large one whose turn it is, then queues that have work.

        The queues of jobs that end are looked into without a message: where jobs end, the next ones often wait.
        Suspects may end this worker again, and with it the work on all others. So these are taken before them, but no
        more than a few turns long.
        """
        awake = list(filter(self._may_look, self._awake))
        behind = [queue.removesuffix(SUSPECT_SUFFIX) for queue in awake]
        queues = dict.fromkeys([*awake, *behind, *(queue_of(ended.outcome.claim.model) for ended in outcomes)])
        self._num_looks = self._num_looks + 1 if any(queue.endswith(SUSPECT_SUFFIX) for queue in queues) else 0
        suspects_first = self._num_looks % SUSPECTS_TURN == 0
        ordered = sorted(queues, key=lambda queue: queue.endswith(SUSPECT_SUFFIX) is not suspects_first)
        large = self._next_large
        return [*([large] if large else []), *ordered[:MAX_QUEUES]]

    @property
    def _next_large(self) -> str | None:
        """The large job to start, or None. It may have become a suspect meanwhile, so it waits for those in hand."""
        return None if self._num_suspects else self._room.next_large

    def _may_look(self, queue: str) -> bool:
        """Return whether to take jobs from a queue. Suspects wait for those in hand, which may have to run alone."""
        return not (self._num_suspects and queue.endswith(SUSPECT_SUFFIX))

    def _note_sources(self, sources: Sequence[str], *, all_taken: bool) -> None:
        for source in sources:
            self._room.forget(source)
            was_awake = source in self._awake
            self._awake.pop(source, None)
            if was_awake and not all_taken:
                self._awake[source] = None  # at the end of the line
