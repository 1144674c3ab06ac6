"""The real model of tests and benchmarks: all-MiniLM-L6-v2 as a package (`make minilm`)."""

import os
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PACKAGES = ROOT / "build" / "packages"


def packages_with_minilm() -> Path:
    """Return the folder of the package `minilm`. If it is missing, the test is skipped, or fails in CI."""
    if not (PACKAGES / "minilm" / "manifest.toml").exists():
        message = "build/packages/minilm is missing: make minilm"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    return PACKAGES
