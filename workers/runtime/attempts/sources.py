"""The queues in which a worker knows, or expects, jobs to wait: where its next turn looks. Step 4 on the path of a job.

A worker that has room for newcomers only (places.py) does not look into a queue just because jobs wait there: beside a
tenant who floods it, it would find none again and again. It looks when a message says that there are newcomers, or when
flows that it passed by may be newcomers by now.
"""

import math
import time
from collections.abc import Iterable, Sequence, Set

from contracts.jobs import NEWCOMER_SUFFIX, SUSPECT_SUFFIX, Flow

SUSPECTS_TURN = 4
"""Of so many turns that look for suspects, one takes them before all others."""
MAX_QUEUES = 32
"""That one turn looks into."""
Flows = frozenset[Flow]


class Sources:
    """The queues of a worker. Only the intake's thread calls its methods."""

    def __init__(self) -> None:
        self.num_suspects = 0
        """In hand. Those that wait wait for them, because they may have to run alone."""
        self._awake: dict[str, None] = {}
        """Queues in which jobs may wait, the one whose turn it is first."""
        self._newcomers: dict[str, None] = {}
        """Queues in which jobs of a flow may wait that had none there before."""
        self._passed_by: dict[str, Flows] = {}
        """Queues of which nothing is left but jobs of these flows, which were passed by."""
        self.known_at = -math.inf
        """When a turn has left jobs in a queue, or a message said that there are some. Others may have them by now."""
        self._num_looks = 0
        """Turns in a row that looked for suspects, too."""

    def wake(self, queue: str) -> None:
        """Note that jobs wait in a queue, or in the list of it for newcomers."""
        self.known_at = time.monotonic()
        if queue.endswith(NEWCOMER_SUFFIX):
            self._newcomers[queue.removesuffix(NEWCOMER_SUFFIX)] = None
        else:
            self._awake[queue] = None

    def any_known(self, pass_by: Flows = frozenset()) -> bool:
        """Return whether there is a queue to look into, if these flows are passed by."""
        return bool(self._known(pass_by))

    def next(self, pass_by: Flows, ended: Iterable[str]) -> list[str]:
        """Return the queues for the next turn, in their order.

        Suspects may end this worker again, and with it the work on all others. So these are taken before them, but no
        more than a few turns long.

        Args:
            pass_by: flows that are passed by; then no suspects are taken.
            ended: queues of jobs that have ended here, which need no message: there the next ones often wait.
        """
        known = self._known(pass_by)
        behind = [queue.removesuffix(SUSPECT_SUFFIX) for queue in known]
        queues = dict.fromkeys([*known, *behind, *ended])
        if not any(map(_is_of_suspects, known)):
            self._num_looks = 0
            return list(queues)[:MAX_QUEUES]
        self._num_looks += 1
        suspects_first = self._num_looks % SUSPECTS_TURN == 0
        return sorted(queues, key=lambda queue: _is_of_suspects(queue) is not suspects_first)[:MAX_QUEUES]

    def note_turn(self, queues: Sequence[str], served: Set[str], pass_by: Flows, *, all_taken: bool) -> None:
        """Note what a turn has shown.

        Args:
            queues: into which it looked.
            served: those of which it took jobs. They are the last of the next turn: a queue that always has more than a
                turn takes would keep all others waiting.
            pass_by: flows that it passed by.
            all_taken: whether it took all that waits in these queues, apart from these flows.
        """
        if queues and not all_taken:
            self.known_at = time.monotonic()
        for queue in sorted(queues, key=served.__contains__):
            had_newcomers = self._newcomers.pop(queue, "") is None
            was_passed_by = self._passed_by.pop(queue, None) is not None
            if not pass_by:
                was_awake = self._awake.pop(queue, "") is None
                if (was_awake or had_newcomers or was_passed_by) and not all_taken:
                    self._awake[queue] = None  # at the end of the line
            elif not all_taken:
                self._newcomers[queue] = None
            elif had_newcomers or was_passed_by or queue in self._awake:
                self._passed_by[queue] = pass_by

    def _known(self, pass_by: Flows) -> list[str]:
        newcomers = [*self._newcomers, *(queue for queue, passed in self._passed_by.items() if passed - pass_by)]
        if pass_by:
            return newcomers
        return [*(queue for queue in self._awake if not (self.num_suspects and _is_of_suspects(queue))), *newcomers]


def _is_of_suspects(queue: str) -> bool:
    return queue.endswith(SUSPECT_SUFFIX)
