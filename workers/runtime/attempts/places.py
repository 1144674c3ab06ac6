"""How many more jobs a worker has use for, and of whom. Step 4 on the path of a job.

It takes jobs only as fast as its engine and its threads use them up: the others are better left where idle workers find
them. But what it has taken of one flow must keep no other flow waiting. So it goes on to take newcomers, which are jobs
of flows of which nothing waits here; and some places and some memory are for them alone.
"""

from contracts.jobs import OPEN_TENANT, Flow
from workers.runtime.attempts.room import JobRoom
from workers.runtime.attempts.running_jobs import RunningJobs
from workers.runtime.attempts.wanted import NOBODY, Wanted
from workers.runtime.engine.engine import Engine

MAX_IN_POOL = 16
"""Jobs that the pool works on, or that wait for it, above which no more of their flows are taken: other workers have
threads, too."""
MAX_NEWCOMERS = 4
"""That one call takes where there is room for them only: more are better left to workers with room for all."""
RESERVED_PLACES = 8
RESERVED_SHARE = 4
"""One of so many places is for newcomers, up to the number above."""
LANE_SHARE = 4
"""Of what is reserved, one of so many parts is enough for a flow whose tenant is large in another lane."""


class Places:
    """The places of a worker. Only the intake's thread calls its methods.

    Args:
        engine: says how many jobs it has use for.
        jobs: in hand.
        room: memory for jobs.
        max_jobs: most jobs in hand; a group of suspects may exceed it.
    """

    def __init__(self, engine: Engine, jobs: RunningJobs, room: JobRoom, max_jobs: int) -> None:
        self._engine = engine
        self._jobs = jobs
        self._room = room
        self._max_jobs = max_jobs
        self._num_reserved = min(RESERVED_PLACES, max_jobs // RESERVED_SHARE)

    def wanted(self, num_outcomes: int) -> Wanted:
        """Return which jobs to take now.

        Args:
            num_outcomes: jobs whose outcomes are not recorded yet, and that have their places until then.
        """
        num_free = self._max_jobs - len(self._jobs) - num_outcomes
        if num_free <= 0 or self._room.free_bytes + self._room.reserved_bytes <= 0:
            return NOBODY
        num_wanted = self._engine.num_wanted() - self._jobs.num_being_prepared
        pass_by: set[Flow] = set()
        if self._jobs.num_in_pool >= MAX_IN_POOL:
            pass_by |= self._jobs.flows_in_pool
        has_room_for_all = num_free > self._num_reserved and self._has_memory_for_all()
        if num_wanted > 0 and has_room_for_all:
            return Wanted(min(num_wanted, num_free - self._num_reserved), self._room.for_all, frozenset(pass_by))
        pass_by |= self._jobs.flows_in_line | self._engine.waiting_flows()
        if not has_room_for_all:
            # If many hold little each, none is large, and what is left is for those that hold nothing.
            pass_by |= self._large_flows() or set(self._jobs.holdings)
        # An engine that wants none, although nothing waits for it, is not to be filled beyond that.
        most = MAX_NEWCOMERS if has_room_for_all else max(1, self._num_reserved // LANE_SHARE)
        num_newcomers = min(num_free, most) if pass_by else 0
        return Wanted(num_newcomers, self._room.for_newcomers, frozenset(pass_by))

    def _has_memory_for_all(self) -> bool:
        """Return whether so much is left that a newcomer's job which fits into the reserve fits into it."""
        return self._room.free_bytes >= max(1, self._room.reserved_bytes)

    def _large_flows(self) -> set[Flow]:
        """Return the flows that hold as much as is reserved for others: nobody may have it bit by bit.

        Nor lane by lane: where a tenant has such a flow, a part of it makes its others large, too. In an open gateway,
        where all clients are one tenant, lanes are all that tells them apart.
        """
        holdings = self._jobs.holdings

        def holds(flow: Flow, part: float) -> bool:
            most_jobs, most_bytes = part * self._num_reserved, part * self._room.reserved_bytes
            return holdings[flow].num_jobs >= most_jobs or holdings[flow].num_bytes >= most_bytes

        large = {flow for flow in holdings if holds(flow, 1)}
        tenants = {tenant for _, tenant in large} - {OPEN_TENANT}
        return large | {flow for flow in holdings if flow[1] in tenants and holds(flow, 1 / LANE_SHARE)}
