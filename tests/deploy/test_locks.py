"""The locks are complete, have hashes and no index, match pyproject.toml, and contain only what their role needs."""

import re
import tomllib

import pytest

from tests.support.paths import ROOT

LOCKS = ROOT / "deploy" / "requirements"
ROLES = {
    "gateway": ["gateway"],
    "worker": ["worker"],
    "worker-gpu": ["worker-gpu"],
    "runtime": ["gateway", "worker", "local"],
    "dev": ["gateway", "worker", "local", "dev"],
}


def read_lock(role: str) -> dict[str, list[str]]:
    """Return the versions of each package in a lock. There are several if they depend on the Python version."""
    pins: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([a-z0-9-]+)==(\S+)", (LOCKS / f"{role}.txt").read_text(), re.MULTILINE):
        pins.setdefault(name, []).append(version)
    return pins


@pytest.mark.parametrize("role", ROLES)
def test_every_package_is_pinned_with_hashes_and_no_index_is_named(role: str) -> None:
    text = (LOCKS / f"{role}.txt").read_text()
    entries = re.split(r"\n(?=[a-z])", text.partition("make lock\n")[2].strip())
    assert [
        entry for entry in entries if not re.match(r"[a-z0-9-]+==\S+( ;[^\n]*)? \\\n    --hash=sha256:", entry)
    ] == []
    assert "://" not in text
    assert "index" not in text


@pytest.mark.parametrize("role", ROLES)
def test_every_declared_dependency_is_in_the_lock(role: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = [*project["dependencies"]]
    for extra in ROLES[role]:
        declared += project["optional-dependencies"][extra]
    names = {re.match(r"[a-z0-9-]+", requirement)[0] for requirement in declared}
    assert names - set(read_lock(role)) == set()


@pytest.mark.parametrize("role", [role for role in ROLES if role != "dev"])
def test_shipped_packages_have_the_tested_versions(role: str) -> None:
    tested = read_lock("dev")
    only_gpu = {name for name in read_lock(role) if name == "onnxruntime-gpu" or name.startswith("nvidia-")}
    assert {name: pins for name, pins in read_lock(role).items() if name not in only_gpu} == {
        name: tested[name] for name in read_lock(role) if name not in only_gpu
    }


def test_the_gateway_contains_nothing_that_runs_models() -> None:
    assert {"onnxruntime", "onnxruntime-gpu", "numpy", "tokenizers"} & set(read_lock("gateway")) == set()


def test_workers_contain_no_web_server_and_one_onnx_runtime_each() -> None:
    assert {"flask", "gunicorn", "gevent"} & (set(read_lock("worker")) | set(read_lock("worker-gpu"))) == set()
    assert "onnxruntime-gpu" not in read_lock("worker")
    assert "onnxruntime" not in read_lock("worker-gpu")
    assert read_lock("worker-gpu")["onnxruntime-gpu"] == read_lock("worker")["onnxruntime"]


def test_the_gpu_worker_contains_cuda_and_cudnn() -> None:
    names = " ".join(read_lock("worker-gpu"))
    assert "nvidia-cudnn" in names
    assert "nvidia-cublas" in names
    assert "nvidia-cuda-runtime" in names


@pytest.mark.parametrize("role", ["gateway", "worker", "runtime"])
def test_no_role_contains_the_hub_client_or_an_export_library(role: str) -> None:
    assert {"huggingface-hub", "torch", "transformers", "optimum", "onnx"} & set(read_lock(role)) == set()


def test_the_locks_script_knows_every_role() -> None:
    script = (ROOT / "deploy" / "lock.sh").read_text()
    compiled = {words[0]: words[1:] for words in map(str.split, re.findall(r"^compile (.+)$", script, re.MULTILINE))}
    assert compiled == ROLES
    assert {path.stem for path in LOCKS.glob("*.txt")} == {*ROLES, "overrides"}
