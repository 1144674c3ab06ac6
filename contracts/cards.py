"""What workers announce: a card for each model that they serve, and a card of themselves with each heartbeat.

The gateway checks requests against model cards, and describes models and workers to clients by these cards. They are
plain data, so tasks and models can be tested without Redis; `contracts.store.registry` writes and reads them.
"""

import msgspec

from contracts.figures import GenerationFigures


class ModelCard(msgspec.Struct, frozen=True, kw_only=True):
    """What clients can read about a model, and what the gateway needs to check a request."""

    name: str
    task: str
    family: str
    revision: str
    licence: str
    description: str
    max_tokens: int
    dimensions: int | None = None
    labels: list[str] | None = None
    chat: bool = False
    """Whether the package has a chat template."""
    source_languages: dict[str, str] | None = None
    """Translators: codes of the source languages, in the form that requests use, and their English names."""
    target_languages: dict[str, str] | None = None
    """Translators: the target languages, in the same form."""
    quality: dict[str, str | float | int | bool] = {}


class WorkerCard(msgspec.Struct, frozen=True, kw_only=True):
    """A worker's heartbeat: its identity, what it serves, and counts since it started."""

    id: str
    host: str
    pid: int
    models: list[str]
    started_at: float
    running: int
    num_batches: int
    num_rows: int
    real_tokens: int
    padded_tokens: int
    rss_bytes: int
    generation: GenerationFigures | None = None
    speed: float = 1.0
    """Work-seconds that it does in a second while it is full, by the merged profiles of `contracts.store.profiles`."""
