"""What the catalogue claims: one case for each architecture and task. The table in the docs lists these and no others.

No torch is imported here, so that the docs can be checked without it.
"""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Case:
    """One architecture for one task."""

    architecture: str
    """As the docs name it."""
    task: str
    build: str
    """``module:function`` under ``tests.architectures.zoo``, which writes the tiny source into a folder."""
    options: dict[str, Any] = field(default_factory=dict)
    """Arguments of ``ExportRequest`` beyond the source, the task and the name."""
    slots: bool = False
    """Decoders: whether the graph keeps its cache in place."""

    @property
    def id(self) -> str:
        """The case's name in test reports, and the package's."""
        return f"{self.architecture}-{self.task}".lower().replace(" ", "-").replace("+", "-").replace("_", "-")


CASES: tuple[Case, ...] = (
    Case("BERT", "embed", "encoders:bert", {"pooling": "mean"}),
    Case("BERT", "classify", "encoders:bert_classify"),
)
