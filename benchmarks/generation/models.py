"""The models that are measured, and the files that Make makes of each in `build/`.

All of them have the shape of a real model and random weights (``benchmarks.decoder.sources`` and
``benchmarks.seq2seq.sources``), because speed does not depend on what a model has learned.
"""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness.report import BenchError
from benchmarks.harness.stack import ROOT

BUILD = ROOT / "build"


@dataclass(frozen=True)
class BenchModel:
    """One model, and where its files are."""

    key: str
    """Its name in the command line and in the names of figures."""
    title: str
    """Its name in reports."""

    @property
    def name(self) -> str:
        """The name that clients use."""
        return f"bench-{self.key}"

    @property
    def package(self) -> Path:
        """The package that a worker serves: slot graphs in fp32."""
        return BUILD / "packages" / self.name

    @property
    def concat_package(self) -> Path:
        """The package with the exporter's own cache."""
        return BUILD / "packages" / f"{self.name}-concat"

    @property
    def int8_package(self) -> Path:
        """The package with 8-bit weights."""
        return BUILD / "packages" / f"{self.name}-int8"

    @property
    def source(self) -> Path:
        """The transformers model that the packages were made from."""
        return BUILD / "sources" / self.key

    @property
    def optimum_graphs(self) -> Path:
        """The graphs that optimum makes of the source by default, which are no package."""
        return BUILD / "optimum" / self.key


def by_key(*models: BenchModel) -> dict[str, BenchModel]:
    """Return models by their keys."""
    return {model.key: model for model in models}


DECODERS = by_key(
    BenchModel("gpt2", "GPT-2 124M"), BenchModel("llama", "Llama 135M"), BenchModel("tiny", "a tiny GPT-2")
)
ENCODER_DECODERS = by_key(BenchModel("t5-small", "T5-small 60M"), BenchModel("t5-tiny", "a tiny T5"))


def require(*files: Path, target: str) -> None:
    """Raise BenchError unless all files exist; the message names the target of Make that makes them."""
    for file in files:
        if not file.is_file():
            raise BenchError(f"{file} is missing: `make {target}` makes it")
