"""Make the graph and the tokenizer file of a package with optimum and transformers; needs the export environment."""

import logging
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any

from onnx_models.errors import ExportError, refusing
from onnx_models.source import Source

_OPTIMUM_TASKS = {"embed": "feature-extraction", "classify": "text-classification"}
_OUTPUTS = {"embed": "last_hidden_state", "classify": "logits"}


def read_config(source: Source) -> Any:
    """Return transformers' config of the source, without running any code that lies beside it.

    Raises:
        ExportError: transformers does not know such a model.
    """
    from transformers import AutoConfig

    with refusing(f"{source.name}: transformers can't read its config"):
        return AutoConfig.from_pretrained(source.folder, trust_remote_code=False, local_files_only=True)


def export_graph(source: Source, task: str, folder: Path) -> list[str]:
    """Write ``model.onnx`` (and ``model.onnx_data`` above 2 GB) and ``tokenizer.json`` into ``folder``.

    optimum's own check only logs a difference, so it is off here and `verify` takes its place. optimum's other files
    are left behind: a worker reads none of them.

    Returns:
        The names of the files written.

    Raises:
        ExportError: optimum can't export this architecture for this task, or the tokenizer has no fast form.
    """
    with tempfile.TemporaryDirectory(prefix="graph-", dir=folder.parent) as scratch:
        _run_optimum(source, task, Path(scratch))
        names = [path.name for path in sorted(Path(scratch).glob("model.onnx*"))]
        for name in names:
            shutil.move(Path(scratch) / name, folder / name)
    _write_tokenizer(source, folder / "tokenizer.json")
    return [*names, "tokenizer.json"]


def _run_optimum(source: Source, task: str, folder: Path) -> None:
    from optimum.exporters.onnx import main_export

    for library in ("optimum", "transformers"):
        logging.getLogger(library).setLevel(logging.ERROR)
    # The tracer warns of every branch in Python code; whether one mattered is what `verify` finds out.
    with refusing(f"{source.name}: optimum can't export it for {task}"), warnings.catch_warnings(action="ignore"):
        main_export(
            str(source.folder),
            output=folder,
            task=_OPTIMUM_TASKS[task],
            library_name="transformers",  # else the graph depends on which libraries are installed
            framework="pt",
            device="cpu",
            dtype="fp32",
            do_validation=False,
            local_files_only=True,
            trust_remote_code=False,
        )


def _write_tokenizer(source: Source, path: Path) -> None:
    """Write what transformers really uses, which a tokenizer.json beside the weights need not be."""
    from transformers import AutoTokenizer

    with refusing(f"{source.name}: transformers can't load its tokenizer"):
        tokenizer = AutoTokenizer.from_pretrained(source.folder, trust_remote_code=False, local_files_only=True)
    if not tokenizer.is_fast:
        raise ExportError(f"{source.name}: its tokenizer has no tokenizer.json form, so a worker can't run it")
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    backend.save(str(path))


def output_width(folder: Path, task: str) -> int:
    """Return the last dimension of the graph's one output: vector dimensions, or number of labels.

    Raises:
        ExportError: the graph has another output than this task's.
    """
    import onnx

    outputs = onnx.load(folder / "model.onnx", load_external_data=False).graph.output
    if [output.name for output in outputs] != [_OUTPUTS[task]]:
        raise ExportError(f"the graph answers {[output.name for output in outputs]}, expected {_OUTPUTS[task]!r}")
    return int(outputs[0].type.tensor_type.shape.dim[-1].dim_value)
