"""Where Make keeps what it makes for benchmarks of models that write."""

from benchmarks.harness.stack import ROOT

BUILD = ROOT / "build"
PACKAGES = BUILD / "packages"
SOURCES = BUILD / "sources"
