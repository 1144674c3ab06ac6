"""What a worker does with jobs: start attempts, keep leases, publish output, end attempts. Steps 4 and 7.

The attempt number of a claim is a fencing token: every later call names it, and has no effect once another attempt
owns the job. So a worker that lost its lease, and does not know it yet, can do no harm.
"""

import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TypeVar

import msgspec
import redis

from contracts.jobs import SUSPECT_SUFFIX, Claim, Flow
from contracts.settings import StoreSettings
from contracts.store.attempts.blame import Held, Returned, verdict_on
from contracts.store.attempts.outcomes import Outcome
from contracts.store.attempts.turn import UNLIMITED, Room, Turn, encoded, joined
from contracts.store.scripts import load_script

MAX_JOBS = 16
"""Jobs that one call starts or ends: the store serves nobody else while it runs one."""
_MAX_SOURCES = 8
"""Queues that one call looks into."""
_MAX_CHANGES = 24
"""Jobs that one call of any other script changes."""
_T = TypeVar("_T")


class AttemptStore:
    """Starts and ends attempts. Methods raise ``redis.RedisError`` when the store is out of reach."""

    def __init__(self, client: "redis.Redis", settings: StoreSettings) -> None:
        self.lease_s = settings.lease_s
        self._max_crashes = settings.max_crashes
        self._turn = load_script(client, "turn")
        self._renew = load_script(client, "renew")
        self._progress = load_script(client, "progress")
        self._publish = load_script(client, "publish")
        self._release = load_script(client, "release")
        self._abandon = load_script(client, "abandon")
        self._wake_queues = load_script(client, "wake_queues")

    def turn(
        self,
        worker: str,
        outcomes: Sequence[Outcome] = (),
        *,
        sources: Sequence[str] = (),
        max_jobs: int = MAX_JOBS,
        room: Room = UNLIMITED,
        pass_by: Collection[Flow] = (),
        token: int | None = None,
    ) -> Turn:
        """Record outcomes, then start attempts at the jobs that are next, as far as they fit: one round trip.

        Args:
            worker: its id.
            outcomes: at most ``MAX_JOBS``.
            sources: queues to take jobs from, in this order, and ids of single jobs, which are started whatever they
                need. Without any, only a call with the same token finds jobs.
            max_jobs: most attempts to start, at most ``MAX_JOBS``; groups of suspects are started whole.
            room: memory for them.
            pass_by: flows whose jobs stay in their queues.
            token: number of the call (`new_token`). If it is made again with the same token because its reply was lost,
                it returns the attempts that it has started. By default it is a new one.
        """
        again, token = token is not None, token or new_token()
        turn, ended, full = Turn([], [], None), encoded(outcomes), list[str]()
        flows = msgspec.json.encode([" ".join(flow) for flow in pass_by])
        for start in range(0, max(1, len(sources)), _MAX_SOURCES):
            part = list(sources[start : start + _MAX_SOURCES])
            passed = [source for source in part if start and _must_pass_by(source, turn.claims, max_jobs)]
            full, part = full + passed, [source for source in part if source not in passed]
            if passed and not part:
                continue
            most = max_jobs - len(turn.claims) if sources or again else 0
            left_bytes = room.num_bytes - sum(claim.num_bytes for claim in turn.claims)
            fixed = (worker, self.lease_s, f"{token}.{start}", most, left_bytes, *room[1:], flows)
            turn = joined(turn, self._turn(args=[*fixed, *ended, *part]))
            ended = encoded([])
        self.wake_queues(full)  # they may have work for others
        return turn

    def renew_leases(self, attempts: Iterable[tuple[str, int]]) -> set[str]:
        """Renew the leases of attempts, given as (job id, attempt); return the ids of jobs that must stop.

        A job must stop when it was cancelled, has expired or was deleted, or when another attempt owns it. One that
        was taken from this worker, and that nobody else has started yet, is its own again.
        """
        stop: set[str] = set()
        for chunk in _chunks(attempts):
            flat = [value for attempt in chunk for value in attempt]
            stop |= {job_id.decode() for job_id in self._renew(args=[self.lease_s, *flat])}
        return stop

    def progress(self, progress: Iterable[tuple[Claim, int, int]]) -> None:
        """Record how much of jobs is done, as (claim, parts done, parts): inputs, or what they were split into.

        It has no effect on a job that is no longer this attempt's.
        """
        for chunk in _chunks(progress):
            self._progress(args=[value for claim, *done in chunk for value in (claim.id, claim.attempt, *done)])

    def wake_queues(self, queues: Iterable[str]) -> int:
        """Push a message to each of these queues if jobs wait in it and no message is out; return how many."""
        return sum(int(self._wake_queues(args=chunk)) for chunk in _chunks(queues))

    def publish(self, deltas: Iterable[tuple[Claim, bytes]], token: str) -> set[str]:
        """Append output events to the streams of jobs; return the ids of jobs that must stop.

        A job that is no longer this attempt's gets no event.

        Args:
            deltas: for each job a JSON list of ``contracts.generation.TextDelta``, or empty bytes if nothing is new.
            token: identifies this call. When the call is repeated with the same token because its reply was lost, a
                job that already has the event does not get it twice.
        """
        stop: set[str] = set()
        for chunk in _chunks(deltas):
            flat = [value for claim, encoded in chunk for value in (claim.id, claim.attempt, encoded)]
            stop |= {job_id.decode() for job_id in self._publish(args=[token, *flat])}
        return stop

    def release(self, claims: Iterable[Claim]) -> None:
        """Give unfinished attempts back to their queues, without blame."""
        for chunk in _chunks(claims):
            self._release(args=[value for claim in chunk for value in (claim.id, claim.attempt)])

    def abandon(self, held: Sequence[Held], worker: str = "") -> Returned:
        """Give back the attempts of a worker that has died, before their leases run out. `blame` says who is blamed.

        Attempts that are over, or that this store knows nothing of, are left alone. If the worker is named, those that
        its last turn has started, and that it did not live to hold, go back as well; it can't start any from then on.
        """
        counts = [0, 0, 0]
        # Those that are blamed come together, so that few of those that shared a call are in different chunks.
        pairs = sorted(zip(held, verdict_on(held), strict=True), key=lambda pair: pair[1])
        for chunk in [*_chunks(pairs), *([[]] if worker else [])]:  # the last call finds what it did not hold
            flat = [value for job, verdict in chunk for value in (job.job_id, job.attempt, verdict)]
            found = self._abandon(args=[worker, self._max_crashes, *flat])
            counts = [count + more for count, more in zip(counts, found, strict=True)]
        num_jobs, num_charged, num_suspects = counts
        return Returned(num_jobs, charged_to_suspects=0 < num_charged == num_suspects)


def new_token() -> int:
    """Return the number of a worker's next turn: a time, so that each is greater than those before."""
    # In the unit that Python can't call this twice in, and that Lua's numbers hold exactly for 28 years.
    return time.monotonic_ns() // 100


def _must_pass_by(source: str, claims: Sequence[Claim], max_jobs: int) -> bool:
    """Return whether a turn that has started these jobs must start none of this queue."""
    # A suspect that runs alone is the only one of its worker. The script sees to it among the queues of one call.
    is_second_suspect = source.endswith(SUSPECT_SUFFIX) and any(claim.group for claim in claims)
    return is_second_suspect or len(claims) >= max_jobs


def _chunks(items: Iterable[_T]) -> Iterator[list[_T]]:
    whole = list(items)
    for start in range(0, len(whole), _MAX_CHANGES):
        yield whole[start : start + _MAX_CHANGES]
