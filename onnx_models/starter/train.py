"""Make the starter packages: ``python -m onnx_models.starter.train [classify] [denoise] ...``, some minutes each.

Trains from random weights on the texts of this folder, then goes through the same export and verification as any
other model, and writes what `judge` measured into the manifest. Needs the export environment.
"""

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from contracts.model_package.manifest import Figures, Pooling, Task
from contracts.model_package.package import ModelPackage
from onnx_models.encoders.texts.served import ServedModel
from onnx_models.exporting.export import export_package
from onnx_models.exporting.exporters import ExportRequest
from onnx_models.exporting.sources import Source
from onnx_models.starter.judge import judge_classifier, judge_embedder
from onnx_models.starter.judge_correcting import judge_corrector
from onnx_models.starter.judge_summarizing import judge_summarizer
from onnx_models.starter.judge_translating import judge_translator
from onnx_models.starter.judge_writing import judge_writer
from onnx_models.starter.learn import train_classifier, train_embedder
from onnx_models.starter.learn_correcting import train_corrector
from onnx_models.starter.learn_summarizing import train_summarizer
from onnx_models.starter.learn_translating import train_translator
from onnx_models.starter.learn_writing import train_writer

PACKAGES = Path("onnx_models/packages")
SEED = 11
_REVISION = f"seed-{SEED}-v1"
_WARNING = "Tiny, trained on synthetic English {} only: for demos and tests, not for production."


@dataclass(frozen=True)
class _Starter:
    """How one starter is made. ``train`` takes a folder, a seed and a number of steps."""

    task: Task
    train: Callable[[Path, int, int], None]
    num_steps: int
    judge: Callable[[ModelPackage], Figures]
    description: str
    pooling: Pooling | None = None


_STARTERS = (
    _Starter(
        task="classify",
        train=train_classifier,
        num_steps=800,
        judge=lambda package: judge_classifier(ServedModel(package)),
        description=f"Tells opinions apart: negative, neutral, positive. {_WARNING.format('sentences')}",
    ),
    _Starter(
        task="embed",
        train=train_embedder,
        num_steps=400,
        judge=lambda package: judge_embedder(ServedModel(package)),
        description="Puts short requests, complaints, questions and scenes of like meaning near each other. "
        + _WARNING.format("sentences"),
        pooling="mean",
    ),
    _Starter(
        task="generate",
        train=train_writer,
        num_steps=3000,
        judge=judge_writer,
        description="Writes rhymed poems, chats about a small world and short Python functions. "
        + _WARNING.format("texts"),
    ),
    _Starter(
        task="denoise",
        train=train_corrector,
        num_steps=4800,
        judge=judge_corrector,
        description="Corrects typing errors in sentences of everyday words, one sentence at a time. "
        + _WARNING.format("sentences"),
    ),
    _Starter(
        task="translate",
        train=train_translator,
        num_steps=3000,
        judge=judge_translator,
        description="Translates numbers, dates, times, prices and everyday sentences with them from English into "
        "French, German and Spanish. " + _WARNING.format("phrases and their translations"),
    ),
    _Starter(
        task="summarize",
        train=train_summarizer,
        num_steps=3400,
        judge=judge_summarizer,
        description="Writes the headline of a short report: who, where, when, how many. " + _WARNING.format("reports"),
    ),
)
_BY_TASK = {str(starter.task): starter for starter in _STARTERS}


def make_starter(task: str, output: Path = PACKAGES) -> None:
    """Train, export, verify and judge one starter; replaces the package of that name under ``output``."""
    starter = _BY_TASK[task]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        starter.train(folder, SEED, starter.num_steps)
        request = ExportRequest(
            source=Source(folder, "onnx_models/starter/train.py", _REVISION, "Apache-2.0"),
            name=f"starter-{task}",
            task=starter.task,
            output=output,
            pooling=starter.pooling,
            description=starter.description,
            languages=("en",) if starter.task == "denoise" else (),
            force=True,
        )
        package = export_package(request, measure=starter.judge)
    print(package.path, package.manifest.quality, package.manifest.export)


def main() -> None:
    """Read the command line and make the starters that it names, or all."""
    parser = argparse.ArgumentParser(prog="python -m onnx_models.starter.train", description=__doc__)
    parser.add_argument("tasks", nargs="*", metavar="|".join(_BY_TASK), help="which starters to make (default: all)")
    parser.add_argument("--output", type=Path, default=PACKAGES, help="where packages lie (default: %(default)s)")
    options = parser.parse_args()
    tasks = options.tasks or list(_BY_TASK)
    if unknown := set(tasks) - set(_BY_TASK):
        parser.error(f"no starter for {', '.join(sorted(unknown))}")
    for task in tasks:
        make_starter(task, options.output)


if __name__ == "__main__":
    main()
