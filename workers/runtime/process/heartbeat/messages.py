"""What a worker and its heartbeat process tell each other: one JSON document a line, over a pair of sockets.

What must arrive while the worker's Python stands still is in `SharedState` and not here.
"""

import msgspec

from contracts.cards import ModelCard, WorkerCard
from contracts.price.profile import ModelProfile


class Start(msgspec.Struct, frozen=True, tag="start", kw_only=True):
    """The first message to the process. It carries the URL with its password, which a command line would show."""

    process: str
    """Name of the worker's family, for logs."""
    worker_id: str
    worker_pid: int
    redis_url: str
    lease_s: float
    max_crashes: int
    hard_limit_s: float
    stall_s: float
    state_file: int
    """Descriptor of the `SharedState`, which the process inherits."""
    note: str | None
    """Path of the file that it is in, if it has a name."""


class Announce(msgspec.Struct, frozen=True, tag="announce"):
    """The models that are served from now on."""

    models: list[ModelCard]


class Status(msgspec.Struct, frozen=True, tag="status"):
    """The worker's card as of now, and what its models cost."""

    card: WorkerCard
    profiles: dict[str, ModelProfile] = {}
    """By model."""


class Leave(msgspec.Struct, frozen=True, tag="leave"):
    """The worker ends in an orderly way: remove it from the registry, and end."""


ToHeartbeat = Start | Announce | Status | Leave


class Beaten(msgspec.Struct, frozen=True, tag="beaten"):
    """A beat is over, whether or not the store was in reach."""

    stop: list[tuple[str, int]] = []
    """Attempts that no longer own their jobs, as (job id, attempt)."""
    prices: dict[str, ModelProfile] = {}
    """By model: the profile of all workers, by which jobs are priced."""


class Exit(msgspec.Struct, frozen=True, tag="exit"):
    """The worker must release its jobs and end now."""

    reason: str


ToWorker = Beaten | Exit


def encoded(message: msgspec.Struct) -> bytes:
    """Return a message as a line."""
    return msgspec.json.encode(message) + b"\n"
