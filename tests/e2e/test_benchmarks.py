"""The benchmarks run: a small run of all figures ends well and prints ratios that can be true.

Whether targets are reached is not asked here, since the machine of a test is busy with other tests.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FIGURES = {
    *("queue", "http-32", "http-1", "http-padded", "latency", "submit"),
    *("memory-minilm", "memory-gateway", "environment"),
}


def bench(*arguments: str, timeout_s: float = 280) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


@pytest.mark.timeout(300)
def test_a_quick_run_prints_every_figure_as_a_plausible_ratio(tmp_path: Path) -> None:
    done = bench("--quick", "--json", str(tmp_path / "out" / "figures.json"))

    assert done.returncode == 0, done.stdout + done.stderr
    found = {f["name"]: f for f in json.loads((tmp_path / "out" / "figures.json").read_text())["figures"]}
    assert set(found) >= FIGURES
    assert all(0.02 < figure["ratio"] < 50 for figure in found.values()), found
    for figure in found.values():
        assert figure["title"] in done.stdout
    for word in ("cores", "load average", "Valkey", "onnxruntime", "CPU time"):
        assert word in done.stdout


def test_help_names_the_figures_and_an_unknown_one_is_refused() -> None:
    shown = bench("--help")
    assert shown.returncode == 0
    assert all(name in shown.stdout for name in ("queue", "http", "latency", "submit", "memory", "--quick"))

    refused = bench("no-such-figure")
    assert refused.returncode == 2
    assert "no-such-figure" in refused.stderr and "latency" in refused.stderr
