"""What is measured: names, places, and what is missing."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.generation.places import BUILD, PACKAGES
from benchmarks.harness.report import BenchError
from contracts.model_package.package import load_package

TITLES = {"t5-small": "T5-small 60M", "t5-tiny": "a tiny T5"}


@dataclass(frozen=True)
class Measured:
    """One shape, in the package and the graphs that were made of it (``benchmarks.seq2seq.sources``)."""

    key: str

    @property
    def title(self) -> str:
        """What reports call it."""
        return TITLES[self.key]

    @property
    def name(self) -> str:
        """The model that clients ask for."""
        return f"bench-{self.key}"

    @property
    def package(self) -> Path:
        """With slots, in fp32."""
        return PACKAGES / self.name

    @property
    def optimum(self) -> Path:
        """What optimum itself makes of the source, which is no package."""
        return BUILD / "optimum" / self.key

    @property
    def eos_token_id(self) -> int:
        """The token that ends a text."""
        generation = load_package(self.package).manifest.generation
        assert generation is not None, "the manifest of a model that writes has it"
        return generation.eos_token_ids[0]

    @property
    def start_token_id(self) -> int:
        """The token that the decoder starts with."""
        generation = load_package(self.package).manifest.generation
        assert generation is not None and generation.decoder_start_token_id is not None, "an encoder-decoder has it"
        return generation.decoder_start_token_id

    def check(self) -> None:
        """Raise BenchError if something is missing."""
        for path in (self.package / "manifest.toml", self.optimum / "config.json"):
            if not path.is_file():
                raise BenchError(f"{path} is missing: `make bench-seq2seq` makes it")
