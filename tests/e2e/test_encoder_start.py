"""`python -m workers.encoder` with an unusable configuration: an exit status, and one line that says why."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.workers import assert_refused, run_worker_command
from tests.support.onnx_bytes import external_tensor, model_of
from tests.support.tiny_package import WORDS, graph_of, write_package


def start(*arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    return run_worker_command("encoder", *arguments, **settings)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"TRIPTYCH_DEVICE": "cuda", "TRIPTYCH_MODELS_DIR": "{packages}"}, "the device is set to cuda, but"),
        ({"TRIPTYCH_DEVICE": "tpu"}, "TRIPTYCH_DEVICE=tpu: expected cpu or cuda"),
        ({"TRIPTYCH_MODELS_DIR": "/nonexistent"}, "no model package at all in /nonexistent"),
        ({"TRIPTYCH_MODELS_DIR": "{packages}", "TRIPTYCH_MODELS": "nope"}, "no model package nope in"),
        ({"TRIPTYCH_THREADS": "0"}, "TRIPTYCH_THREADS=0: expected a whole number from 1"),
        ({"TRIPTYCH_MODELS_DIR": "{broken}"}, "model.onnx: SHA-256 differs from the manifest"),
        (
            {"TRIPTYCH_MODELS_DIR": "{packages}", "TRIPTYCH_MAX_BATCH_TOKENS": "9"},
            "_BATCH_TOKENS is 9, but",
        ),
        ({"TRIPTYCH_RELOAD_S": "-1"}, "TRIPTYCH_RELOAD_S=-1: expected a number from 0"),
    ],
)
def test_unusable_settings_are_refused_in_one_line(tmp_path: Path, settings: dict[str, str], expected: str) -> None:
    write_package(tmp_path / "packages" / "tiny")
    (write_package(tmp_path / "broken" / "tiny") / "model.onnx").write_bytes(b"something else")
    filled = {
        name: value.format(packages=tmp_path / "packages", broken=tmp_path / "broken")
        for name, value in settings.items()
    }
    assert_refused(start(**filled), expected)


MALICIOUS = graph_of("embed", 8, external_tensor("table", [len(WORDS), 8], "../../../etc/passwd"))
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "malicious external data": (
        {"graph": MALICIOUS},
        "keeps weights in '../../../etc/passwd', which the manifest's",
    ),
    "the graph of another task": ({"graph": graph_of("classify", 8)}, "not the graph of a text-encoder for embed"),
    "too new an opset": ({"graph": model_of(b"", opsets={"": 27})}, "opset of ONNX is 27; this runtime reads 7 to 26"),
    "a graph that is cut off": ({"graph": graph_of("embed", 8)[:-900]}, "not an ONNX graph that can be served"),
    "limits that can't work": ({"max_tokens": 600}, "batching.max_batch_tokens is 512, but one input may have 600"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_an_invalid_package_is_refused_in_one_line(tmp_path: Path, wrong: str) -> None:
    changes, expected = WRONG[wrong]
    write_package(tmp_path / "wrong", **{"graph": graph_of("embed", 8)} | changes)
    assert_refused(start(TRIPTYCH_MODELS_DIR=str(tmp_path), TRIPTYCH_MODELS="wrong"), expected)


def test_a_worker_that_is_not_needed_has_an_exit_status_of_its_own(tmp_path: Path) -> None:
    """Workers of all families have the same settings, so packages of other families are no error."""
    write_package(tmp_path / "other", family="decoder")
    for names in ({}, {"TRIPTYCH_MODELS": "other"}):
        done = start(TRIPTYCH_MODELS_DIR=str(tmp_path), **names)
        assert_refused(done, "other: its family is 'decoder', and this is the encoder worker", status=3)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('"text-encoder"', '"mind-reader"', "unknown graph 'mind-reader'"),
        ("name =", "a." * 200_000 + "name =", "a key of more than 64 parts"),
    ],
    ids=["unknown kind of graph", "hostile TOML"],
)
def test_an_invalid_manifest_is_refused_in_one_line(tmp_path: Path, old: str, new: str, expected: str) -> None:
    manifest = write_package(tmp_path / "wrong") / "manifest.toml"
    manifest.write_text(manifest.read_text().replace(old, new, 1))
    assert_refused(start(TRIPTYCH_MODELS_DIR=str(tmp_path)), expected)


def test_a_pipe_instead_of_a_file_does_not_block_the_worker(tmp_path: Path) -> None:
    graph = write_package(tmp_path / "wrong") / "model.onnx"
    graph.unlink()
    os.mkfifo(graph)
    assert_refused(start(TRIPTYCH_MODELS_DIR=str(tmp_path)), "model.onnx: not a regular file in the package")


def test_help_names_the_main_settings() -> None:
    done = start("--help")
    assert done.returncode == 0
    for name in ("TRIPTYCH_REDIS_URL", "TRIPTYCH_MODELS_DIR", "TRIPTYCH_DEVICE"):
        assert name in done.stdout
