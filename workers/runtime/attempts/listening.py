"""When a worker listens for messages that its queues have work. Step 3 on the path of a job.

One that has jobs in hand looks for more whenever some of them end, and needs no message for that. Each costs 0.1 ms of
CPU time, and a turn that brings a single job. So after a message it listens no more for a moment, unless it has nothing
to do. Where submits come one by one, the messages of most of them stay where they are, and idle workers find them.
"""

PERIOD_S = 0.005
"""From a message to when a worker with jobs in hand listens again."""


class Listening:
    """Whether a worker listens. One thread takes messages; another one, the intake's, does what they ask for."""

    def __init__(self) -> None:
        # Each number is written by one of the threads only, and a message is counted before the intake can receive it.
        # So there is none between the two of which nobody knows.
        self._num_taken = 0
        self._num_received = 0
        self._num_done = 0
        self._listen_at = 0.0

    @property
    def is_on(self) -> bool:
        """Whether the next message is to be taken."""
        return self._num_done == self._num_taken

    def note_taken(self) -> None:
        """Note that a message was taken, before the intake gets it."""
        self._num_taken += 1

    def note_received(self, num_messages: int, now: float) -> None:
        """Note that the intake has received messages."""
        if num_messages:
            self._num_received += num_messages
            self._listen_at = now + PERIOD_S

    def wait_s(self, now: float) -> float:
        """Return how long it is until the worker listens again."""
        return max(0.0, self._listen_at - now)

    def resume(self, now: float, *, is_idle: bool) -> bool:
        """Listen again if it is time for that, or nothing is in hand; return whether that is a change."""
        if self._num_done == self._num_received or not (is_idle or now >= self._listen_at):
            return False
        self._num_done = self._num_received
        return True
