"""What a case is. No torch is imported here or beside it, so that the docs can be checked without it."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Case:
    """One architecture for one task."""

    architecture: str
    """As the docs name it."""
    task: str
    build: str
    """``module:function`` under ``tests.architectures.zoo``, which writes the tiny source into a folder; further
    words behind further colons are arguments of the function."""
    options: dict[str, Any] = field(default_factory=dict)
    """Arguments of ``ExportRequest`` beyond the source, the task and the name."""
    slots: bool = False
    """Writers: whether the graph keeps its cache in place."""

    @property
    def id(self) -> str:
        """The case's name in test reports, and the package's."""
        cache = "-concat" if self.options.get("cache") == "concat" else ""  # beside the same with a cache of slots
        return f"{self.architecture}-{self.task}{cache}".lower().replace(" ", "-").replace("+", "-").replace("_", "-")
