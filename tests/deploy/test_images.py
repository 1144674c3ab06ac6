"""The Dockerfiles copy and start existing code, and the lock of each image is sufficient to run it."""

import importlib.util
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.env_example import variables
from tests.deploy.image import Image, Stage, build_image, read_dockerfile
from tests.deploy.stack import ask
from tests.support.paths import ROOT
from tests.support.valkey import ValkeyServer, free_port, running_valkey
from tests.support.waiting import PATIENCE_S, PROGRAM_S, wait_until

DEPLOY = ROOT / "deploy"
DOCKERFILES = {path.stem.removesuffix(".Dockerfile"): path for path in DEPLOY.glob("*.Dockerfile")}
OWN = {"gateway": {"contracts", "services"}, "worker": {"contracts", "workers", "onnx_models/packages"}}
MAX_INSTALLED_BYTES = 260e6


@pytest.fixture(params=OWN)
def final(request: pytest.FixtureRequest) -> tuple[str, Stage]:
    """The name and the final stage of each image."""
    return request.param, read_dockerfile(DOCKERFILES[request.param])[-1]


def test_there_is_a_dockerfile_for_each_image() -> None:
    assert set(DOCKERFILES) == set(OWN)


def test_an_image_contains_only_the_contracts_and_its_own_package(final: tuple[str, Stage]) -> None:
    name, stage = final
    assert set(stage.copied) == OWN[name]
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {*stage.copied, "deploy/requirements"} <= allowed
    assert all((ROOT / source).is_dir() for source in stage.copied)


def test_an_image_runs_as_an_unprivileged_user_on_a_pinned_base(final: tuple[str, Stage]) -> None:
    name, stage = final
    assert [int(number) for number in stage.all("USER")[-1].split(":")] > [0, 0]
    pinned = re.search(r"^ARG PYTHON=(.+)$", DOCKERFILES[name].read_text(), re.MULTILINE)
    assert re.fullmatch(r"3\.\d+-slim", pinned[1])
    assert {stage.base.split()[0] for stage in read_dockerfile(DOCKERFILES[name])} == {"python:${PYTHON}"}


def test_an_image_sets_only_variables_that_the_code_reads(final: tuple[str, Stage]) -> None:
    _, stage = final
    known = set(variables())
    assert {name for name in stage.env if name.startswith("TRIPTYCH_")} <= known


def test_an_image_starts_a_module_that_exists(final: tuple[str, Stage]) -> None:
    _, stage = final
    assert stage.command[:2] == ["python", "-m"]
    assert importlib.util.find_spec(f"{stage.command[2]}.__main__")


def test_the_gateways_ports_agree() -> None:
    stage = read_dockerfile(DOCKERFILES["gateway"])[-1]
    port = stage.env["TRIPTYCH_PORT"]
    assert stage.all("EXPOSE") == [port]
    assert f"http://127.0.0.1:{port}/readyz" in stage.health[-1]


@pytest.mark.parametrize("lock", ["worker", "worker-gpu"])
def test_both_variants_of_the_worker_have_a_lock(lock: str) -> None:
    install = read_dockerfile(DOCKERFILES["worker"])[0]
    assert install.all("ARG") == ["LOCK=worker"]
    assert (ROOT / install.copied[0].replace("${LOCK}", lock)).is_file()


@pytest.fixture(scope="module")
def gateway_image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return build_image(DOCKERFILES["gateway"], tmp_path_factory.mktemp("gateway"))


@pytest.fixture(scope="module")
def worker_image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return build_image(DOCKERFILES["worker"], tmp_path_factory.mktemp("worker"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    with running_valkey(tmp_path_factory.mktemp("store") / "data") as server:
        yield server


@pytest.fixture
def processes() -> Iterator[list["subprocess.Popen[bytes]"]]:
    """The processes that a test starts. They are killed after the test."""
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        process.kill()
        process.wait(PATIENCE_S)


def test_the_gateways_environment_can_not_run_a_model(gateway_image: Image) -> None:
    assert {"flask", "redis"} <= gateway_image.packages
    assert {"onnxruntime", "numpy", "tokenizers", "pip"} & gateway_image.packages == set()


def test_the_workers_environment_has_no_web_server(worker_image: Image) -> None:
    assert {"onnxruntime", "numpy", "tokenizers", "jinja2"} <= worker_image.packages
    assert {"flask", "gunicorn", "huggingface_hub", "torch", "pip"} & worker_image.packages == set()


@pytest.mark.parametrize("name", ["gateway", "worker"])
def test_the_entry_point_has_help(name: str, request: pytest.FixtureRequest) -> None:
    image: Image = request.getfixturevalue(f"{name}_image")
    answer = image.run([*image.stage.command, "--help"])
    assert answer.returncode == 0, answer.stderr
    assert "TRIPTYCH_" in answer.stdout


def test_the_workers_image_contains_every_kind_of_worker(worker_image: Image) -> None:
    for module in ("workers.encoder", "workers.decoder", "workers.seq2seq"):
        answer = worker_image.run([*worker_image.stage.command[:2], module, "--help"])
        assert answer.returncode == 0 and f"python -m {module}" in answer.stdout, answer.stderr


def test_the_images_serve_a_job_together_and_stop_on_sigterm(
    gateway_image: Image,
    worker_image: Image,
    store: ValkeyServer,
    processes: list["subprocess.Popen[bytes]"],
    tmp_path: Path,
) -> None:
    port = free_port()
    settings = {"TRIPTYCH_REDIS_URL": store.url, "TRIPTYCH_RUNTIME_DIR": str(tmp_path)}
    gateway_settings = {**settings, "TRIPTYCH_HOST": "127.0.0.1", "TRIPTYCH_PORT": str(port)}
    logs = {name: tmp_path / f"{name}.log" for name in ("gateway", "worker")}
    assert worker_image.run(worker_image.stage.health, **settings).returncode == 1, (
        "the health check must fail without a worker"
    )

    processes.append(worker_image.start(worker_image.stage.command, logs["worker"], **settings))
    processes.append(gateway_image.start(gateway_image.stage.command, logs["gateway"], **gateway_settings))

    def ready() -> bool:
        for process, log in zip(processes, logs.values(), strict=True):
            assert process.poll() is None, {name: log.read_text() for name, log in logs.items()}
        return ask(f"http://127.0.0.1:{port}/readyz")[0] == 200

    wait_until(ready, "the images did not become ready")
    assert worker_image.run(worker_image.stage.health, **settings).returncode == 0
    health_url = gateway_image.stage.health[-1].replace(":8080/", f":{port}/")
    assert gateway_image.run([*gateway_image.stage.health[:-1], health_url]).returncode == 0

    status, vectors = ask(f"http://127.0.0.1:{port}/v1/embed", {"inputs": ["a text", "another"]})
    assert (status, len(vectors)) == (200, 2), vectors

    for process in processes:
        process.send_signal(signal.SIGTERM)
    assert [process.wait(PATIENCE_S) for process in processes] == [0, 0], {
        n: log.read_text() for n, log in logs.items()
    }


def test_a_serving_environment_stays_small(tmp_path: Path) -> None:
    """The size is that of all that `make setup` installs on a fresh machine, with compiled bytecode."""
    for name in ("Makefile", "deploy/requirements/runtime.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run(["make", "setup"], cwd=tmp_path, check=True, timeout=PROGRAM_S, env=os.environ | {"MAKEFLAGS": ""})
    python = tmp_path / ".venv" / "bin" / "python"
    subprocess.run(
        [python, "-m", "compileall", "-q", "-j2", tmp_path / ".venv" / "lib"], check=False, timeout=PROGRAM_S
    )
    files = [path.lstat() for path in (tmp_path / ".venv").rglob("*") if not path.is_dir()]
    installed = sum(file.st_blocks * 512 for file in files)
    print(f"installed: {installed / 1e6:.0f} MB")
    assert installed <= MAX_INSTALLED_BYTES
