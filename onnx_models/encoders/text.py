"""Text encoders: token vectors, labels for texts and tokens, answers in a text, words for a gap."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import onnx

from onnx_models.encoders import facts
from onnx_models.encoders.text_parity import compare
from onnx_models.errors import ExportError
from onnx_models.exporter import read_config, run_optimum
from onnx_models.kind import ExportRequest
from onnx_models.manifest import checksums
from onnx_models.source import Source
from onnx_models.tokenizers.write import write_tokenizer
from workers.runtime.manifest import Batching, Limits, Manifest
from workers.runtime.signatures import outputs_of

__all__ = ["compare", "make"]
_OPTIMUM_TASKS = {
    "embed": "feature-extraction",
    "classify": "text-classification",
    "entities": "token-classification",
    "answer": "question-answering",
    "fill_mask": "fill-mask",
}


def make(request: ExportRequest, folder: Path) -> Manifest:
    """Write ``model.onnx`` and ``tokenizer.json``; see `onnx_models.kind.Kind`."""
    source, config = request.source, read_config(request.source)
    limit = facts.max_tokens(source, config, request.max_tokens)
    _export_graph(request, folder)
    write_tokenizer(source, folder)
    facts.check_lower_case(source, folder)
    return Manifest(
        name=request.name,
        family="encoder",
        task=request.task,
        graph="text-encoder",
        architecture=config.model_type,
        source=source.name,
        revision=source.revision,
        licence=request.licence or source.licence,
        description=request.description,
        files=checksums(folder),
        limits=Limits(max_tokens=limit),
        batching=Batching(max_batch_tokens=max(Batching().max_batch_tokens, limit)),
        **_table(request, config, _width(folder, request.task)),
        export=_prompt(source),
    )


def _table(request: ExportRequest, config: Any, width: int) -> dict[str, Any]:
    """Return the manifest's table for the task, as keyword arguments."""
    if request.task == "embed":
        return {"embed": facts.embed_facts(request.source, width, request.pooling, request.normalize)}
    if request.task == "classify":
        return {"classify": facts.classify_facts(config)}
    if request.task == "entities":
        return {"entities": facts.entities_facts(config)}
    if request.task == "fill_mask":
        return {"fill_mask": facts.fill_mask_facts(request.source)}
    return {}


def _prompt(source: Source) -> dict[str, str]:
    prompt = facts.default_prompt(source)
    return {"default_prompt": prompt} if prompt else {}


def _export_graph(request: ExportRequest, folder: Path) -> None:
    """Run optimum and keep its graph (and ``model.onnx_data`` above 2 GB); a worker reads none of its other files."""
    with tempfile.TemporaryDirectory(prefix="graph-", dir=folder.parent) as scratch:
        run_optimum(request.source, _OPTIMUM_TASKS[request.task], Path(scratch), opset=request.opset)
        for path in sorted(Path(scratch).glob("model.onnx*")):
            shutil.move(path, folder / path.name)


def _width(folder: Path, task: str) -> int:
    """Return the last dimension of the graph's first output: vector dimensions, or number of labels.

    Raises:
        ExportError: the graph has other outputs than this task's.
    """
    outputs = onnx.load(folder / "model.onnx", load_external_data=False).graph.output
    if [output.name for output in outputs] != list(outputs_of("text-encoder", task)):
        raise ExportError(f"the graph answers {[output.name for output in outputs]}, expected {task}'s")
    return int(outputs[0].type.tensor_type.shape.dim[-1].dim_value)
