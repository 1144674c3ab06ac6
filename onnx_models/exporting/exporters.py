"""The exporters: one for each way to export a model and to compare it with its reference.

An exporter is a module with the two functions of `Exporter`. `exporter_for` selects one for a source and a task, and
`exporter_for_package` the one that made a package. The modules import torch, so each is imported only when it is used.
"""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, cast

from contracts.model_package.graphs import GraphKind
from contracts.model_package.manifest import Manifest, Precision
from contracts.model_package.package import ModelPackage
from contracts.model_package.tasks import Pooling
from contracts.task_names import Family, TaskName
from onnx_models.exporting.sources import Source
from onnx_models.verification.comparison import Comparison

_FAMILIES: dict[TaskName, Family] = {
    "generate": "decoder",
    **dict.fromkeys(("translate", "summarize", "denoise", "text2text", "transcribe", "caption"), "seq2seq"),
}
_BY_GRAPH: dict[GraphKind, str] = {
    "text-encoder": "onnx_models.encoders.texts.exporter",
    "image-encoder": "onnx_models.encoders.images.exporter",
    "image-text": "onnx_models.encoders.images.image_text_exporter",
    "ctc": "onnx_models.encoders.ctc.exporter",
    "decoder-slots": "onnx_models.decoders.exporter",
    "decoder-concat": "onnx_models.decoders.exporter",
    "decoder-memory": "onnx_models.decoders.transformer_xl.exporter",
    "encoder-decoder": "onnx_models.seq2seq.exporter",
    "encoder-decoder-slots": "onnx_models.seq2seq.exporter",
    "recurrent": "onnx_models.classic.recurrent.exporter",
    "text-autoencoder": "onnx_models.classic.text_autoencoder",
    "image-autoencoder": "onnx_models.classic.image_autoencoder",
}
_BY_TASK: dict[TaskName, GraphKind] = {
    **dict.fromkeys(("embed", "classify", "token-classify", "question-answer", "fill-mask"), "text-encoder"),
    **dict.fromkeys(("embed-image", "classify-image"), "image-encoder"),
    "zero-shot-image": "image-text",
    "denoise-image": "image-autoencoder",
    "generate": "decoder-slots",
    **dict.fromkeys(("translate", "summarize", "denoise", "text2text", "transcribe", "caption"), "encoder-decoder"),
}
TASKS: tuple[TaskName, ...] = tuple(_BY_TASK)
"""The tasks that packages can be exported for."""
_BY_ARCHITECTURE: dict[str, GraphKind] = {
    "wav2vec2": "ctc",
    "transfo-xl": "decoder-memory",
    "lstm-attention": "recurrent",
    "text-autoencoder": "text-autoencoder",
    "image-autoencoder": "image-autoencoder",
}
"""Architectures (``model_type`` in config.json) whose exporter does not follow from the task."""


@dataclass(frozen=True, kw_only=True)
class ExportRequest:
    """What to export. Fields that are None are read from the source."""

    source: Source
    name: str
    task: TaskName
    output: Path
    """The folder of packages; this one becomes ``output / name``."""
    precision: Precision = "fp32"
    opset: int | None = None
    """Opset of the graph; None: the one that the exporter of this architecture was verified with."""
    cache: Literal["slots", "concat"] = "slots"
    """For decoders and encoder-decoders of texts: a cache that is updated in place, if the architecture allows it, or
    that of optimum's graph."""
    pooling: Pooling | None = None
    normalize: bool | None = None
    max_tokens: int | None = None
    licence: str | None = None
    description: str = ""
    languages: Sequence[str] = ()
    """Languages of the model's texts, as codes of ISO 639. Those of translation models are read from the source."""
    atol: float = 1e-4
    """Largest difference from the reference that an fp32 package may have."""
    force: bool = False


class Exporter(Protocol):
    """Exports models as one kind of graph and compares them with their reference; needs the export environment."""

    def make(self, request: ExportRequest, folder: Path) -> Manifest:
        """Write the fp32 graphs and the tokenizer into ``folder`` and return the manifest that describes them.

        The caller sets ``precision``, ``export`` and ``verified``. Graphs are always fp32 at first, so that a
        comparison shows the errors of the export alone, and a second one those of a lower precision.

        Raises:
            ExportError: the source can't be exported for this task.
        """
        ...

    def compare(self, package: ModelPackage, source: Source) -> Comparison:
        """Run the package and the reference, in torch with the source's weights, on the same varied inputs.

        Rows are run in batches and alone; models that generate are also decoded greedily. Works for every precision.

        Raises:
            ParityError: the two can't be compared at all, for example because their tokenizers differ.
        """
        ...


def family_of(task: TaskName, graph: GraphKind) -> Family:
    """Return the family of workers that serves a task with this kind of graph."""
    # CTC recognizes speech in one call. Its task is that of Whisper, which generates token by token.
    return "encoder" if graph == "ctc" else _FAMILIES.get(task, "encoder")


def exporter_for(source: Source, task: TaskName) -> Exporter:
    """Return the exporter of a source for a task."""
    # Read from the file, since transformers does not know the architectures of classic networks.
    architecture = str(source.read_json("config.json").get("model_type", ""))
    return _load(_BY_ARCHITECTURE.get(architecture) or _BY_TASK[task])


def exporter_for_package(manifest: Manifest) -> Exporter:
    """Return the exporter that made a package."""
    return _load(manifest.graph.kind)


def _load(graph: GraphKind) -> Exporter:
    # mypy can't check a module that is imported by name against the protocol.
    return cast(Exporter, importlib.import_module(_BY_GRAPH[graph]))
