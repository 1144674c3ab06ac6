"""What a worker and the store exchange: outcomes there, claims back, in one call. Steps 4 and 7 on the path of a job.

An outcome stays here until the store has it, however long that takes; sent again it has the same effect. A call that
took jobs and whose reply was lost is made again with its token, and so finds the jobs that it has started.
"""

import logging
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import redis

from contracts.jobs import Claim, queue_of
from contracts.store.attempt_store import MAX_JOBS, AttemptStore, new_token
from contracts.store.attempts.turn import Turn
from workers.runtime.attempts.attempt import Attempt
from workers.runtime.attempts.ended import Ended, EndedJobs
from workers.runtime.attempts.room import JobRoom
from workers.runtime.attempts.sources import Sources
from workers.runtime.attempts.wanted import Wanted

logger = logging.getLogger(__name__)


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
        self._outcomes = EndedJobs()
        self.sources = Sources()
        self._token = new_token()
        self.is_unanswered = False
        """Whether a call may have started jobs without that this worker knows."""
        self._most_outcomes = MAX_JOBS
        """Of the next call: after a failure, which may be due to one of them, a single one, then none."""

    @property
    def num_kept(self) -> int:
        """Outcomes that the next call does not record yet."""
        return len(self._outcomes) - len(self._outcomes.next(self._most_outcomes))

    def may_find(self, wanted: Wanted) -> bool:
        """Return whether a call could find jobs that are wanted."""
        return wanted.num_jobs > 0 and (self.sources.any_known(wanted.pass_by) or self._next_large is not None)

    @property
    def is_due(self) -> bool:
        """Whether a call must be made, even if no job may be started."""
        return bool(self._outcomes) or self.is_unanswered

    def add(self, ended: Iterable[Ended]) -> None:
        """Record outcomes with the next calls."""
        self._outcomes.add(ended)

    def drop_outcomes(self) -> list[Attempt]:
        """Forget all outcomes, because the jobs were released; return their attempts."""
        attempts = [attempt for attempt, _ in self._outcomes]
        self._outcomes.clear()
        return attempts

    def take(self, wanted: Wanted) -> Exchange:
        """Record outcomes, and start jobs that are wanted: one call of the store.

        Raises:
            redis.RedisError: the store is out of reach, or refuses what was sent. The next call says it again.
        """
        outcomes = self._outcomes.next(self._most_outcomes)
        max_jobs = min(MAX_JOBS, wanted.num_jobs)
        queues, large = [], []
        if max_jobs > 0:
            queues = self.sources.next(wanted.pass_by, (queue_of(outcome.claim.model) for _, outcome in outcomes))
            large = [self._next_large] if self._next_large else []
        is_repeated = self.is_unanswered  # then it may bring what it has started before, and look nowhere else
        try:
            turn = self._call(outcomes, [*large, *queues], wanted._replace(num_jobs=max_jobs))
        except redis.RedisError:
            self._outcomes.put_back()
            self._most_outcomes = 1 if self._most_outcomes != 1 else 0
            raise
        self._most_outcomes = MAX_JOBS if self._most_outcomes else 1
        self._outcomes.remove(len(outcomes))
        for (attempt, _), accepted in zip(outcomes, turn.accepted, strict=True):
            if not accepted:
                logger.info("outcome refused: the attempt has lost its job", extra=attempt.claim.log_fields)
        if not is_repeated:
            for job_id in large:
                self._room.forget(job_id)
            served = {queue_of(claim.model) for claim in turn.claims}
            self.sources.note_turn(queues, served, wanted.pass_by, all_taken=len(turn.claims) < max_jobs)
        if turn.too_large:
            self._room.wait_for(turn.too_large)
        self.sources.num_suspects += sum(1 for claim in turn.claims if claim.group)
        self.sources.num_suspects -= sum(1 for attempt, _ in outcomes if attempt.group)
        return Exchange([attempt for attempt, _ in outcomes], turn.claims)

    def _call(self, outcomes: Sequence[Ended], sources: Sequence[str], wanted: Wanted) -> Turn:
        if sources:
            self.is_unanswered = True
        turn = self._store.turn(
            self._worker_id,
            [outcome for _, outcome in outcomes],
            sources=sources,
            max_jobs=max(wanted.num_jobs, 1) if self.is_unanswered else 0,
            room=wanted.room,
            token=self._token,
            pass_by=wanted.pass_by,
        )
        if self.is_unanswered:
            self._token, self.is_unanswered = new_token(), False
        return turn

    @property
    def _next_large(self) -> str | None:
        """The large job to start, or None. It may have become a suspect meanwhile, so it waits for those in hand."""
        return None if self.sources.num_suspects else self._room.next_large
