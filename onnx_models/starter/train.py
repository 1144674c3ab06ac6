"""Make the starter packages: ``python -m onnx_models.starter.train [classify] [denoise] ...``, some minutes each.

Trains a model from random weights, exports and verifies it like any other model, and writes what its evaluation
measured into the manifest. Needs the export environment.
"""

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.model_package.tasks import Pooling
from contracts.task_names import TaskName
from onnx_models.exporting.export import export_package
from onnx_models.exporting.exporters import ExportRequest
from onnx_models.exporting.sources import Source
from onnx_models.starter.classify import evaluation as classify
from onnx_models.starter.classify.training import ClassifierTraining
from onnx_models.starter.denoise import evaluation as denoise
from onnx_models.starter.denoise.training import CorrectorTraining
from onnx_models.starter.embed import evaluation as embed
from onnx_models.starter.embed.training import EmbedderTraining
from onnx_models.starter.evaluation import Evaluate
from onnx_models.starter.generate import evaluation as generate
from onnx_models.starter.generate.training import DecoderTraining
from onnx_models.starter.summarize import evaluation as summarize
from onnx_models.starter.summarize.training import SummarizerTraining
from onnx_models.starter.training.base import Training
from onnx_models.starter.translate import evaluation as translate
from onnx_models.starter.translate.training import TranslatorTraining

PACKAGES = Path("onnx_models/packages")
SEED = 11
_REVISION = f"seed-{SEED}-v1"
_WARNING = "Tiny, trained on synthetic English {} only: for demos and tests, not for production."


@dataclass(frozen=True)
class Starter:
    """How one starter is made."""

    training: type[Training[Any]]
    num_steps: int
    evaluate: Evaluate
    description: str
    pooling: Pooling | None = None
    languages: tuple[str, ...] = ()


STARTERS: dict[TaskName, Starter] = {
    "classify": Starter(
        training=ClassifierTraining,
        num_steps=800,
        evaluate=classify.evaluate,
        description=f"Tells opinions apart: negative, neutral, positive. {_WARNING.format('sentences')}",
    ),
    "embed": Starter(
        training=EmbedderTraining,
        num_steps=400,
        evaluate=embed.evaluate,
        description="Puts short requests, complaints, questions and scenes of like meaning near each other. "
        + _WARNING.format("sentences"),
        pooling="mean",
    ),
    "generate": Starter(
        training=DecoderTraining,
        # The first version, of 1800 steps and with other rules for poems, wrote no poem that the checker accepts.
        num_steps=3000,
        evaluate=generate.evaluate,
        description="Writes rhymed poems, chats about a small world and short Python functions. "
        + _WARNING.format("texts"),
    ),
    "denoise": Starter(
        training=CorrectorTraining,
        # Two rounds of 2400 each: blends of known words came with the second one; before, there was one of 2600.
        num_steps=4800,
        evaluate=denoise.evaluate,
        description="Corrects typing errors in sentences of everyday words, one sentence at a time. "
        + _WARNING.format("sentences"),
        languages=("en",),
    ),
    "translate": Starter(
        training=TranslatorTraining,
        num_steps=3000,
        evaluate=translate.evaluate,
        description="Translates numbers, dates, times, prices and everyday sentences with them from English into "
        "French, German and Spanish. " + _WARNING.format("phrases and their translations"),
    ),
    "summarize": Starter(
        training=SummarizerTraining,
        num_steps=3400,
        evaluate=summarize.evaluate,
        description="Writes the headline of a short report: who, where, when, how many. " + _WARNING.format("reports"),
    ),
}


def make_starter(task: TaskName, output: Path = PACKAGES) -> None:
    """Train, export, verify and evaluate one starter; replaces the package of that name under ``output``."""
    starter = STARTERS[task]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        starter.training(SEED, starter.num_steps).run(folder)
        request = ExportRequest(
            # The weights come from no other place, so the manifest names the script that makes them.
            source=Source(folder, "onnx_models/starter/train.py", _REVISION, "Apache-2.0"),
            name=f"starter-{task}",
            task=task,
            output=output,
            pooling=starter.pooling,
            description=starter.description,
            languages=starter.languages,
            force=True,
        )
        package = export_package(request, measure=starter.evaluate)
    print(package.path, package.manifest.quality, package.manifest.export)


def main() -> None:
    """Read the command line, and make the starters that it names, or all."""
    parser = argparse.ArgumentParser(prog="python -m onnx_models.starter.train", description=__doc__)
    parser.add_argument("tasks", nargs="*", metavar="|".join(STARTERS), help="which starters to make (default: all)")
    parser.add_argument("--output", type=Path, default=PACKAGES, help="folder of the packages (default: %(default)s)")
    options = parser.parse_args()
    if unknown := set(options.tasks) - set(STARTERS):
        parser.error(f"no starter for {', '.join(sorted(unknown))}")
    for task in options.tasks or STARTERS:
        make_starter(task, options.output)


if __name__ == "__main__":
    main()
