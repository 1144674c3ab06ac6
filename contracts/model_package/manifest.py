"""``manifest.toml``: every fact about a model that a worker needs, and the only place where such facts live.

A worker never guesses from a config of a training library. `onnx_models` writes manifests, and
`contracts.model_package.package` reads them; `contracts.model_package.document` converts between the flat tables of the
file and the structs here.
"""

from typing import Annotated, Literal, TypeVar

import msgspec

from contracts.model_package.files import PackageError
from contracts.model_package.graphs import Graph, GraphTables
from contracts.model_package.table import PositiveInt, Table
from contracts.model_package.tasks import Task, TaskTables
from contracts.task_names import Family

MANIFEST = "manifest.toml"
PIECES = "pieces.json"
"""How SentencePiece splits texts; the few packages that need it have it next to tokenizer.json."""

Precision = Literal["fp32", "fp16", "int8", "int4", "int8-dynamic"]
"""``int8`` and ``int4`` quantise weights only; ``int8-dynamic`` activations too, with a scale taken over the batch."""
Figures = dict[str, str | float | int | bool]
G = TypeVar("G", bound=GraphTables)
T = TypeVar("T", bound=TaskTables)


class Limits(Table, frozen=True, kw_only=True):
    """The largest input. ``max_tokens`` includes special tokens; for a decoder, it includes prompt and answer.

    Where there are no tokens it counts samples of a recording (``ctc``) or pixels of a picture (``image-autoencoder``).
    """

    max_tokens: PositiveInt
    max_new_tokens: PositiveInt | None = None
    """seq2seq: most tokens of one answer, including the start token."""


class Batching(Table, frozen=True, kw_only=True):
    """How rows are batched on CPU. Measured for each model, see docs/architecture/02-worker-and-batching.md."""

    max_batch_tokens: PositiveInt = 512
    """Padded tokens in one model call: rows x longest row."""
    max_padding: Annotated[float, msgspec.Meta(ge=1.0, le=2.0)] = 1.1
    """Padded tokens per real token that a batch may have."""


class Manifest(Table, frozen=True, kw_only=True):
    """Everything in ``manifest.toml``."""

    # It becomes a folder, and a part of Redis keys, of a queue's name and of URLs. With the suffix of queues for
    # suspects (contracts/jobs.py), its queue would be another model's.
    name: Annotated[str, msgspec.Meta(pattern=r"^(?!.*\.suspect$)[a-z0-9][a-z0-9._-]{0,63}$")]
    family: Family
    task: Task
    graph: Graph
    architecture: str = ""
    """transformers' ``model_type``, or our own name of a classic network."""
    precision: Precision = "fp32"
    batch_safe: bool = True
    """Whether a row's answer does not depend on the rest of its batch; if it does, workers run each row by itself.

    Graphs without a mask (``ctc``, ``image-autoencoder``, ``decoder-memory``) promise it among rows of equal size, and
    no other rows can share their batch."""
    source: str
    """Where the weights come from: a hub id, a package and version, or the script that trained them."""
    revision: str
    licence: str
    description: str = ""
    languages: list[str] = []
    """ISO 639 codes of the languages of its texts, where they are known and the model does not translate."""
    files: dict[str, str]
    """File name to its SHA-256 as 64 hex digits."""
    limits: Limits
    batching: Batching = Batching()
    prompts: dict[str, str] = {}
    """What the source puts before a text, by its own name of the purpose, such as T5's ``summarize: ``."""
    quality: Figures = {}
    """What was measured on data held out from training, and how."""
    export: Figures = {}
    """Versions and options of the export."""
    verified: Figures = {}
    """What `verify` measured against the reference, and when."""

    @property
    def version(self) -> str:
        """Return the source's revision, and the precision if it is not the source's own."""
        return self.revision if self.precision == "fp32" else f"{self.revision}+{self.precision}"

    def graph_as(self, kind: type[G]) -> G:
        """Return the tables of the graph, for code that serves only this kind, or only the subclasses of this base.

        Raises:
            PackageError: the graph is of another kind.
        """
        if isinstance(self.graph, kind):
            return self.graph
        raise PackageError(f"{self.name}: a graph of kind {self.graph.kind!r} can't be used as {kind.__name__}")

    def task_as(self, task: type[T]) -> T:
        """Return the tables of the task, for code that serves only this task.

        Raises:
            PackageError: the package is for another task.
        """
        if isinstance(self.task, task):
            return self.task
        raise PackageError(f"{self.name}: a package for the task {self.task.name!r} can't be used as {task.__name__}")
