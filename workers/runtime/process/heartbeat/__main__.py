"""The heartbeat process of a worker: `python -m workers.runtime.process.heartbeat`, started by the worker.

It is a process of its own because native code may hold Python's lock, and then no thread of the worker runs
(docs/decisions/0020). It reads messages from standard input, one per line, and writes its own to standard output. When
its input ends without a farewell, the worker has died: it gives the worker's jobs back, and ends.
"""

import os
import queue
import signal
import sys
import threading
import time
from pathlib import Path

import msgspec

from contracts.logs.settings import LogSettings, setup_logging
from contracts.settings import StoreSettings
from contracts.store.attempt_store import AttemptStore
from contracts.store.profiles import Profiles
from contracts.store.queues.stats import QueueStats
from contracts.store.registry import Registry
from workers.runtime.process.heartbeat.beats import Beats
from workers.runtime.process.heartbeat.dead_workers import DeadWorkers
from workers.runtime.process.heartbeat.liveness import Liveness
from workers.runtime.process.heartbeat.messages import Announce, Leave, Start, Status, ToHeartbeat, ToWorker, encoded
from workers.runtime.process.shared_state import SharedState
from workers.runtime.process.store_client import connect_worker
from workers.runtime.process.watchdog import Watchdog

EXIT_S = 10.0
"""How long a worker that must end has for releasing its jobs. Then it is killed."""
END_S = 5.0
"""How long a worker takes at most from closing its files to its end."""


class HeartbeatProcess:
    """The loop of the process: messages as they come, and a beat three times in each lease."""

    def __init__(self, start: Start) -> None:
        self._worker_pid = start.worker_pid
        self._period_s = start.lease_s / 3
        client = connect_worker(start.redis_url, max_connections=2)
        settings = StoreSettings(
            redis_url=start.redis_url,
            lease_s=start.lease_s,
            max_crashes=start.max_crashes,
        )
        state = SharedState.of(start.state_file)
        store = AttemptStore(client, settings)
        self._beats = Beats(
            store,
            QueueStats(client),
            Registry(client),
            Profiles(client),
            state=state,
            dead_workers=DeadWorkers(store, start.worker_id, Path(start.note) if start.note else None),
            liveness=Liveness(start.worker_pid, state, lease_s=start.lease_s, hard_limit_s=start.hard_limit_s),
            watchdog=Watchdog(hard_limit_s=start.hard_limit_s, stall_s=start.stall_s),
            tell=_tell,
        )
        self._messages: queue.SimpleQueue[ToHeartbeat | None] = queue.SimpleQueue()

    def run(self) -> None:
        """Beat until the worker leaves or dies."""
        # A thread of its own: the worker must never wait because this process waits for the store.
        threading.Thread(target=self._read, name="messages", daemon=True).start()
        next_beat = time.monotonic()
        while True:
            try:
                message = self._messages.get(timeout=max(0.0, next_beat - time.monotonic()))
            except queue.Empty:
                next_beat = time.monotonic() + self._period_s
                if self._beats.beat():
                    threading.Timer(EXIT_S, self._kill_worker).start()
                    next_beat = float("inf")
                continue
            if not self._handle(message):
                return

    def _handle(self, message: ToHeartbeat | None) -> bool:
        """Handle a message, or the end of all messages; return whether to go on."""
        match message:
            case Announce(models):
                self._beats.announce(models)
            case Status(card, profiles):
                self._beats.note(card, profiles)
            case Leave():
                self._beats.leave()
                return False
            case _:
                if self._worker_ends():
                    self._beats.worker_died()
                return False
        return True

    def _read(self) -> None:
        decoder = msgspec.json.Decoder(ToHeartbeat)
        try:
            for line in sys.stdin.buffer:
                self._messages.put(decoder.decode(line))
        except (OSError, msgspec.DecodeError):
            pass  # reset, or half a line: the worker died while one of the two was writing
        self._messages.put(None)

    def _worker_ends(self) -> bool:
        """Wait for the worker's end; return False if it lives, and so has closed the connection only."""
        until = time.monotonic() + END_S
        while os.getppid() == self._worker_pid:
            if time.monotonic() > until:
                return False
            time.sleep(0.01)
        return True

    def _kill_worker(self) -> None:
        if os.getppid() == self._worker_pid:  # else it has ended, and its id may belong to another process
            os.kill(self._worker_pid, signal.SIGKILL)


def _tell(message: ToWorker) -> None:
    try:
        sys.stdout.buffer.write(encoded(message))
        sys.stdout.buffer.flush()
    except OSError:
        return  # the worker has died, which the end of its messages will say, too


def main() -> None:
    """Run until the worker leaves or dies."""
    # Signals to the whole group are for the worker, which then needs its leases until it has ended.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    first = sys.stdin.buffer.readline()
    if not first.endswith(b"\n"):
        return  # nothing, or half a line: the worker has died already, and where its store is was not said
    start = msgspec.json.decode(first, type=Start)
    setup_logging(f"{start.process}-heartbeat", LogSettings.read())
    HeartbeatProcess(start).run()
    # Not by returning: the thread that reads may hold the lock of standard input, and a timer may still be waiting.
    os._exit(0)


if __name__ == "__main__":
    main()
