"""Make the starter packages: ``python -m onnx_models.starter.train [classify] [embed]``, some minutes on one core.

Trains from random weights on the sentences of this folder, then goes through the same export and verification as any
other model, and writes what `judge` measured into the manifest. Needs the export environment.
"""

import argparse
import tempfile
from pathlib import Path

from onnx_models.encoders.served import ServedModel
from onnx_models.export import export_package
from onnx_models.kind import ExportRequest
from onnx_models.source import Source
from onnx_models.starter.judge import judge_classifier, judge_embedder
from onnx_models.starter.learn import train_classifier, train_embedder

PACKAGES = Path("onnx_models/packages")
SEED = 11
_REVISION = f"seed-{SEED}-v1"
_STEPS = {"classify": 800, "embed": 400}
_WARNING = "Tiny, trained on synthetic English sentences only: for demos and tests, not for production."
_DESCRIPTIONS = {
    "classify": f"Tells opinions apart: negative, neutral, positive. {_WARNING}",
    "embed": f"Puts short requests, complaints, questions and scenes of like meaning near each other. {_WARNING}",
}


def make_starter(task: str, output: Path = PACKAGES) -> None:
    """Train, export, verify and judge one starter; replaces the package of that name under ``output``."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        {"classify": train_classifier, "embed": train_embedder}[task](folder, SEED, _STEPS[task])
        request = ExportRequest(
            source=Source(folder, "onnx_models/starter/train.py", _REVISION, "Apache-2.0"),
            name=f"starter-{task}",
            task="embed" if task == "embed" else "classify",
            output=output,
            pooling="mean" if task == "embed" else None,
            description=_DESCRIPTIONS[task],
            force=True,
        )
        judge = judge_embedder if task == "embed" else judge_classifier
        package = export_package(request, measure=lambda package: judge(ServedModel(package)))
    print(package.path, package.manifest.quality, package.manifest.export)


def main() -> None:
    """Read the command line and make the starters that it names, or both."""
    parser = argparse.ArgumentParser(prog="python -m onnx_models.starter.train", description=__doc__)
    parser.add_argument("tasks", nargs="*", metavar="classify|embed", help="which starters to make (default: both)")
    parser.add_argument("--output", type=Path, default=PACKAGES, help="where packages lie (default: %(default)s)")
    options = parser.parse_args()
    tasks = options.tasks or ["classify", "embed"]
    if unknown := set(tasks) - set(_STEPS):
        parser.error(f"no starter for {', '.join(sorted(unknown))}")
    for task in tasks:
        make_starter(task, options.output)


if __name__ == "__main__":
    main()
