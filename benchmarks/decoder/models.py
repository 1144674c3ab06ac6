"""The packages that are measured: names, places, and what is missing."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.generation.places import PACKAGES, SOURCES
from benchmarks.harness.report import BenchError

TITLES = {"gpt2": "GPT-2 124M", "llama": "Llama 135M", "tiny": "a tiny GPT-2"}


@dataclass(frozen=True)
class Measured:
    """One shape, in the packages that were made of it (``benchmarks.decoder.sources``)."""

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
    def concat(self) -> Path:
        """With the exporter's own cache."""
        return PACKAGES / f"{self.name}-concat"

    @property
    def int8(self) -> Path:
        """With slots and weights in 8 bits."""
        return PACKAGES / f"{self.name}-int8"

    @property
    def source(self) -> Path:
        """What the packages were made from."""
        return SOURCES / self.key

    def check(self) -> None:
        """Raise BenchError if a package is missing."""
        for package in (self.package, self.concat, self.int8):
            if not (package / "manifest.toml").is_file():
                raise BenchError(f"there is no model package in {package}: `make bench-decoder` makes it")
