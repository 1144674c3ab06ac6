"""What other threads tell the intake. They never wait for it."""

from collections.abc import Callable
from queue import Empty, SimpleQueue

from workers.runtime.attempts.attempt import Attempt
from workers.runtime.attempts.running_jobs import Advanced

_Message = Attempt | Advanced | str | None
"""An attempt that can go on; a job that has gone on in the pool; a queue that has work; only a reason to look."""


class Inbox:
    """Messages of any thread for the one that calls ``receive``."""

    def __init__(self) -> None:
        self._messages: SimpleQueue[_Message] = SimpleQueue()
        self.put: Callable[[_Message], None] = self._messages.put

    @property
    def is_empty(self) -> bool:
        """Whether all messages were received."""
        return self._messages.empty()

    def receive(self, wait_s: float | None) -> tuple[dict[Attempt, None], list[Advanced], list[str]]:
        """Wait for messages, for ever if ``wait_s`` is None; return all that are there, by kind."""
        attempts: dict[Attempt, None] = {}
        advanced: list[Advanced] = []
        queues: list[str] = []
        try:
            while True:
                match self._messages.get(timeout=wait_s):
                    case Attempt() as attempt:
                        attempts[attempt] = None
                    case Advanced() as job:
                        advanced.append(job)
                    case str() as queue:
                        queues.append(queue)
                    case None:
                        pass
                wait_s = 0
        except Empty:
            return attempts, advanced, queues
