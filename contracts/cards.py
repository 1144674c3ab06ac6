"""What workers announce of themselves: the models that they serve, and a heartbeat.

The gateway checks requests against model cards, and describes models and workers by these cards to clients. The cards
are data without a store, so that tasks and models can use them where there is no Redis; `contracts.store.registry`
writes and reads them.
"""

import msgspec

from contracts.figures import GenerationFigures


class ModelCard(msgspec.Struct, frozen=True, kw_only=True):
    """What a client may know of a model, and what the gateway needs to check a request."""

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
    """Whether the package has a template for conversations."""
    source_languages: dict[str, str] | None = None
    """Of a translator: codes of the languages that it reads, as a client may say them, and their English names."""
    target_languages: dict[str, str] | None = None
    """The same of those that it writes."""
    quality: dict[str, str | float | int] = {}


class WorkerCard(msgspec.Struct, frozen=True, kw_only=True):
    """A worker's heartbeat: who it is, what it serves and how its batches have been."""

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
