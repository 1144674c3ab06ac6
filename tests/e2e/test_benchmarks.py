"""Quick runs of the benchmarks succeed and print all figures.

The tests do not check whether targets are reached, nor ratios of times, because other tests run at the same time.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.paths import ROOT
from tests.support.waiting import PROGRAM_S

FIGURES = {
    *("queue", "queue-cpu", "http-32", "http-1", "http-1-cpu", "http-padded", "latency", "submit", "workers"),
    *("memory-minilm", "memory-gateway", "environment"),
}
SIZES = ("memory-minilm", "memory-gateway", "environment")
DECODER_FIGURES = {
    *("tiny-bare", "tiny-static", "tiny-one-by-one", "tiny-alone", "tiny-first-token-idle", "tiny-first-token-full"),
    *("tiny-host-work", "tiny-int8-1", "tiny-int8-4", "tiny-memory"),
}

SEQ2SEQ_FIGURES = {"t5-tiny-static", "t5-tiny-optimum", "t5-tiny-one-by-one", "t5-tiny-beams", "t5-tiny-memory"}


def bench(*arguments: str, module: str = "benchmarks") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PROGRAM_S,
        check=False,
    )


def quick_run(folder: Path, words: tuple[str, ...], *options: str, module: str = "benchmarks") -> dict[str, Any]:
    """Run the figures of a module; return them by name, after checking that all are printed, with these words."""
    json_file = folder / "out" / "figures.json"
    done = bench("--quick", *options, "--json", str(json_file), module=module)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {figure["name"]: figure for figure in json.loads(json_file.read_text())["figures"]}
    for word in (*words, *(figure["title"] for figure in found.values())):
        assert word in done.stdout
    return found


def test_a_quick_run_prints_every_figure(tmp_path: Path) -> None:
    found = quick_run(tmp_path, ("cores", "load average", "Valkey", "onnxruntime", "CPU time"))
    assert set(found) >= FIGURES
    assert all(0.02 < found[name]["ratio"] < 50 for name in SIZES), found
    # The latency of the queue is a difference of two times, which may be negative on a busy machine.
    assert all(figure["ratio"] > 0 for name, figure in found.items() if name != "latency"), found


def test_help_names_the_figures_and_an_unknown_one_is_refused() -> None:
    shown = bench("--help")
    assert shown.returncode == 0
    assert all(name in shown.stdout for name in ("queue", "http", "latency", "submit", "workers", "memory", "--quick"))

    refused = bench("no-such-figure")
    assert refused.returncode == 2
    assert "no-such-figure" in refused.stderr and "latency" in refused.stderr


def need(*files: str) -> None:
    """Require files in build that Make makes. If one is missing, the test is skipped, or fails in CI."""
    missing = [name for name in files if not (ROOT / "build" / name).exists()]
    if missing:
        message = f"build lacks {', '.join(missing)}: make ready-for-tests"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)


def test_a_quick_run_of_text_generation_measures_every_figure(tmp_path: Path) -> None:
    need(*(f"packages/{name}/manifest.toml" for name in ("bench-tiny", "bench-tiny-concat", "bench-tiny-int8")))
    words = ("not streamed", "CPU ms a token", "equal to the ceiling's", "from step to step", "after as many again")
    found = quick_run(tmp_path, words, "--models", "tiny", module="benchmarks.decoder")
    assert set(found) == DECODER_FIGURES
    # A step of this model takes less time than a line of Python, so the test only checks that there are figures.
    assert all(figure["value"] > 0 for figure in found.values() if "first-token" not in figure["name"]), found


def test_a_quick_run_of_encoder_decoders_measures_every_figure(tmp_path: Path) -> None:
    need("packages/bench-t5-tiny/manifest.toml", "optimum/t5-tiny/config.json")
    words = ("not streamed", "CPU ms a token", "equal to the ceiling's", "from step to step", "first text p50")
    found = quick_run(tmp_path, words, "--models", "t5-tiny", module="benchmarks.seq2seq")
    assert set(found) == SEQ2SEQ_FIGURES
    assert all(figure["value"] > 0 for figure in found.values()), found


def test_a_short_run_of_the_memory_level_refuses_nothing(tmp_path: Path) -> None:
    json_file = tmp_path / "level.json"
    done = bench("--minutes", "0.1", "--rate", "20", "--json", str(json_file), module="benchmarks.level")
    assert done.returncode == 0, done.stdout + done.stderr
    found = {figure["name"]: figure["value"] for figure in json.loads(json_file.read_text())["figures"]}
    assert found["level-refused"] == 0, done.stdout
    # A hundred records take less memory than the store's buffers, which come and go: only their number surely grows.
    assert 0.5 < found["level-growth"] < 2 and "oldest delivered" in done.stdout
    rows = [line.split() for line in done.stdout.splitlines() if re.match(r" *\d+ +\d+ ", line)]
    num_records = [int(row[7]) for row in rows]
    assert num_records == sorted(num_records) and num_records[0] < num_records[-1], done.stdout


def test_a_quick_run_of_hostile_load_has_a_row_for_each_case(tmp_path: Path) -> None:
    json_file = tmp_path / "hostile.json"
    done = bench("--quick", "bodies", "--json", str(json_file), module="benchmarks.hostile")
    assert done.returncode == 0, done.stdout + done.stderr
    cases = json.loads(json_file.read_text())["cases"]
    assert len(cases) == 9
    # Costs depend on the machine. What the clients got does not: each body is taken, or refused with a status.
    assert all(case["outcome"][0] in "24" and case["cost"]["delay_ms"] > 0 for case in cases), cases
    assert all(case["case"] in done.stdout for case in cases)


@pytest.mark.parametrize(
    ("only", "cases"),
    [
        ("flood,bombs", ("flood", "bombs", "bombs, bulk")),
        ("lanes,waiting,bodies", ("lanes", "waiting", "bodies")),
        ("multiples", ("3 x generate, 1", "9 x generate, 1", "3 x generate, 4", "9 x generate, 4")),
        ("reading,eta", ("3 x embed", "9 x embed", "eta")),
    ],
)
def test_a_quick_run_of_overload_has_rows_for_each_case(tmp_path: Path, only: str, cases: tuple[str, ...]) -> None:
    need("packages/minilm/manifest.toml")
    json_file = tmp_path / "overload.json"
    done = bench("--quick", "--only", only, "--json", str(json_file), module="benchmarks.overload")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads(json_file.read_text())["rows"]
    assert "no bars judged" in done.stdout and {row["met"] for row in rows} == {None}
    for case in cases:
        assert any(row["case"].startswith(case) for row in rows), case
    # Times depend on the machine. Whoever sent single requests got their outputs, and every submit an answer.
    told = [row for row in rows if row["what"].startswith(("B: ", "answers to ", "eta_s", "A: "))]
    assert told and not any(word in row["load"] for row in told for word in ("without", "not accepted")), rows


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("benchmarks.decoder", ("clients", "alone", "first-token", "host", "int8", "memory")),
        ("benchmarks.seq2seq", ("clients", "beams", "memory")),
        ("benchmarks.hostile", ("bodies", "answers", "leaving")),
        ("benchmarks.level", ("--minutes", "--rate", "--maxmemory")),
        ("benchmarks.overload", ("flood", "bombs", "multiples", "eta", "bodies", "lanes", "--only", "--quick")),
    ],
)
def test_help_names_the_figures_of_each_program_and_an_unknown_one_is_refused(
    module: str, names: tuple[str, ...]
) -> None:
    shown = bench("--help", module=module)
    assert shown.returncode == 0
    assert all(name in shown.stdout for name in names)

    for wrong in (["no-such-figure"], ["--models", "no-such-model"]):
        refused = bench(*wrong, module=module)
        assert refused.returncode == 2
        # A program for one model only does not know the option.
        assert "no-such-" in refused.stderr or "unrecognized arguments: --models" in refused.stderr
