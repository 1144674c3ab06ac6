"""Calls optimum's exporter with options that give the same graph on every machine; needs the export environment.

optimum's own validation only logs a difference, so it is disabled and `verify` takes its place.
"""

import logging
import warnings
from pathlib import Path
from typing import Any

from onnx_models.errors import refusing
from onnx_models.exporting.sources import Source

LOCAL = {"trust_remote_code": False, "local_files_only": True}
"""Arguments of every ``from_pretrained``: no download, and no execution of code that comes with the weights."""


def read_config(source: Source) -> Any:
    """Return transformers' config of the source.

    Raises:
        ExportError: transformers does not know this architecture.
    """
    from transformers import AutoConfig

    with refusing(f"{source.name}: transformers can't read its config"):
        return AutoConfig.from_pretrained(source.folder, **LOCAL)


def run_optimum(source: Source, optimum_task: str, folder: Path, *, opset: int | None = None, **options: Any) -> None:
    """Run optimum's ``main_export`` for a source and one of optimum's task names, with ``folder`` as output.

    Raises:
        ExportError: optimum can't export this architecture for this task.
    """
    from optimum.exporters.onnx import main_export

    import onnx_models.architectures  # noqa: F401 (registers what optimum does not know)

    with refusing(f"{source.name}: optimum can't export it for {optimum_task}"), quiet():
        main_export(
            str(source.folder),
            output=folder,
            task=optimum_task,
            opset=opset,
            library_name="transformers",  # optimum would guess it from the installed libraries
            framework="pt",
            device="cpu",
            dtype="fp32",
            do_validation=False,
            **LOCAL,
            **options,
        )


def quiet() -> "warnings.catch_warnings[None]":
    """Silence the tracer's warnings about branches in Python code; `verify` finds those that change an output."""
    for library in ("optimum", "transformers"):
        logging.getLogger(library).setLevel(logging.ERROR)
    return warnings.catch_warnings(action="ignore")
