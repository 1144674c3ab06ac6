"""docker-compose.yml is valid by the Compose specification, and consistent with images, settings and drain time."""

import importlib.util
import json
import re
import subprocess
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import psutil
import pytest
import redis
import yaml

from deploy.env_example import variables
from services.gateway.http.foreign_pages import AllowedHosts
from services.gateway.processes.number import BYTES_PER_PROCESS, MAX_BY_DEFAULT
from services.gateway.settings import GatewaySettings
from tests.deploy.image import read_dockerfile
from tests.support.paths import ROOT
from tests.support.valkey import find_server, free_port
from tests.support.waiting import PATIENCE_S, wait_until
from workers.runtime.settings import WorkerSettings

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if "build" in service]
WORKERS = [name for name in OURS if name != "gateway"]
PACKING = {"stream-node-max-bytes": "512", "hash-max-listpack-value": "4096"}
"""Settings that make records and streams smaller."""
PASSWORD = "only-for-this-test"


def _seconds(duration: str) -> int:
    return int(duration.removesuffix("s"))


def _interpolate(text: str, **values: str) -> str:
    """Fill ``${NAME:-default}`` and ``${NAME:?message}`` as Compose does, and turn ``$$`` into ``$``."""
    filled = re.sub(
        r"\$\{(\w+):([-?])([^}]*)\}", lambda m: values.get(m[1]) or (m[3] if m[2] == "-" else f"<{m[3]}>"), text
    )
    return filled.replace("$$", "$")


def _bytes(size: str) -> int:
    number, unit = re.fullmatch(r"(\d+)([kmg])b?", size).groups()  # type: ignore[union-attr]
    return int(number) << {"k": 10, "m": 20, "g": 30}[unit]


def test_the_file_is_valid_by_the_schema_of_the_compose_specification() -> None:
    schema = json.loads(
        resources.files("check_jsonschema").joinpath("builtin_schemas/vendor/compose-spec.json").read_text()
    )
    jsonschema.validate(COMPOSE, schema)


def test_the_schema_detects_a_mistake() -> None:
    schema = json.loads(
        resources.files("check_jsonschema").joinpath("builtin_schemas/vendor/compose-spec.json").read_text()
    )
    wrong = {"services": {"gateway": {"image": "x", "restarts": "always"}}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, schema)


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_restarts_and_has_no_privileges(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] == "always"
    assert service["read_only"] is True
    assert service["tmpfs"] == ["/tmp"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"].split(":")[0] not in {"", "0", "root"}
    assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
    assert service["pids_limit"] > 0
    assert _bytes(_interpolate(service["mem_limit"])) >= 1 << 30


def test_the_store_has_memory_for_its_jobs_and_for_a_rewrite_of_its_file() -> None:
    store = SERVICES["redis"]
    jobs = _interpolate(store["environment"]["TRIPTYCH_STORE_MAXMEMORY"])
    assert _bytes(_interpolate(store["mem_limit"])) >= 2 * _bytes(jobs)


def test_the_gateway_has_memory_for_as_many_processes_as_it_starts_at_most() -> None:
    limit = _bytes(_interpolate(SERVICES["gateway"]["mem_limit"]))
    assert limit >= MAX_BY_DEFAULT * BYTES_PER_PROCESS
    assert _interpolate(SERVICES["gateway"]["mem_limit"], TRIPTYCH_GATEWAY_MEMORY="512m") == "512m"


@pytest.mark.parametrize("name", OURS)
def test_a_stop_reaches_a_process_that_has_no_handler_yet(name: str) -> None:
    assert SERVICES[name]["init"] is True


@pytest.mark.parametrize("name", OURS)
def test_our_services_wait_for_a_healthy_store(name: str) -> None:
    assert SERVICES[name]["depends_on"] == {"redis": {"condition": "service_healthy"}}


def test_other_containers_may_call_an_open_gateway_by_its_name() -> None:
    names = SERVICES["gateway"]["environment"]["TRIPTYCH_ALLOWED_HOSTS"]
    hosts = AllowedHosts(GatewaySettings.read({"TRIPTYCH_ALLOWED_HOSTS": _interpolate(names)}).allowed_hosts, "0.0.0.0")
    for host in ("gateway:8080", "127.0.0.1:8080", "localhost"):
        hosts.check(host)
    assert _interpolate(names, TRIPTYCH_ALLOWED_HOSTS="api.example.org") == "api.example.org"


def test_only_the_gateway_is_published_and_only_on_loopback() -> None:
    assert [name for name in SERVICES if "ports" in SERVICES[name]] == ["gateway"]
    port = read_dockerfile(ROOT / "deploy" / "gateway.Dockerfile")[-1].env["TRIPTYCH_PORT"]
    assert [_interpolate(entry) for entry in SERVICES["gateway"]["ports"]] == [f"127.0.0.1:8080:{port}"]
    assert SERVICES["gateway"]["environment"]["TRIPTYCH_PORT"] == port
    assert COMPOSE["networks"]["back"] == {"internal": True}
    assert [name for name in SERVICES if SERVICES[name]["networks"] != ["back"]] == ["gateway"]


def test_profiles_choose_the_workers_and_their_lock() -> None:
    assert {name: SERVICES[name].get("profiles") for name in OURS} == {
        "gateway": None,
        "encoder": ["cpu"],
        "decoder": ["cpu"],
        "seq2seq": ["cpu"],
        "encoder-gpu": ["gpu"],
        "decoder-gpu": ["gpu"],
        "seq2seq-gpu": ["gpu"],
    }
    for name in ("encoder-gpu", "decoder-gpu", "seq2seq-gpu"):
        gpu = SERVICES[name]
        assert gpu["build"]["args"] == {"LOCK": "worker-gpu"}
        assert gpu["environment"]["TRIPTYCH_DEVICE"] == "cuda"
        assert gpu["deploy"]["resources"]["reservations"]["devices"][0]["capabilities"] == ["gpu"]


@pytest.mark.parametrize("name", OURS)
def test_images_commands_and_health_checks_are_those_of_the_dockerfiles(name: str) -> None:
    """Only the module differs, which chooses the kind of worker."""
    service = SERVICES[name]
    stage = read_dockerfile(ROOT / service["build"]["dockerfile"])[-1]
    assert service["user"] == stage.all("USER")[-1]
    health = stage.health
    if name in WORKERS:
        module = f"workers.{name.removesuffix('-gpu')}"
        assert service["command"] == [module] and importlib.util.find_spec(f"{module}.__main__")
        (default,) = json.loads(stage.all("CMD")[0])
        health = [module if word == default else word for word in health]
    assert service["healthcheck"]["test"] == ["CMD", *health]


@pytest.mark.parametrize("name", WORKERS)
def test_workers_see_each_others_notes_which_outlive_their_containers(name: str) -> None:
    stage = read_dockerfile(ROOT / SERVICES[name]["build"]["dockerfile"])[-1]
    volume, folder = SERVICES[name]["volumes"][0].split(":")
    assert COMPOSE["volumes"][volume] is None
    assert folder == stage.env["TRIPTYCH_RUNTIME_DIR"]
    (made,) = stage.all("RUN")
    assert made.endswith(folder) and f"--owner={SERVICES[name]['user'].split(':')[0]}" in made


@pytest.mark.parametrize("name", WORKERS)
def test_a_worker_has_time_to_drain(name: str) -> None:
    assert _seconds(SERVICES[name]["stop_grace_period"]) >= WorkerSettings.drain_s + 5


@pytest.mark.parametrize("name", OURS)
def test_services_set_only_variables_that_the_code_reads(name: str) -> None:
    known = set(variables())
    assert set(SERVICES[name]["environment"]) <= known
    assert _interpolate(SERVICES[name]["environment"]["TRIPTYCH_REDIS_URL"], TRIPTYCH_REDIS_PASSWORD="p") == (
        "redis://:p@redis:6379/0"
    )


def test_every_variable_of_the_file_is_in_the_example() -> None:
    required = set(re.findall(r"\$\{(\w+):", (ROOT / "docker-compose.yml").read_text()))
    example = set(re.findall(r"^#?(TRIPTYCH_\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert required <= example
    without_default = set(re.findall(r"\$\{(\w+):\?", (ROOT / "docker-compose.yml").read_text()))
    assert without_default == {"TRIPTYCH_REDIS_PASSWORD"}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """The store, started as the compose file does, with a folder and a port of the test."""
    service = SERVICES["redis"]
    *shell, script = (_interpolate(word) for word in service["command"])
    port = free_port()
    script = script.replace("dir /data", f"dir {tmp_path}\nport {port}\nbind 127.0.0.1")
    values = {
        name: _interpolate(value, TRIPTYCH_REDIS_PASSWORD=PASSWORD) for name, value in service["environment"].items()
    }
    process = subprocess.Popen([*shell, script], env={"PATH": f"{find_server().parent}:/usr/bin:/bin", **values})
    yield process, port
    process.terminate()
    assert process.wait(PATIENCE_S) == 0


def test_the_store_needs_its_password_and_never_evicts_or_loses_a_job(
    store: tuple["subprocess.Popen[bytes]", int],
) -> None:
    process, port = store
    with redis.Redis(port=port, password=PASSWORD) as client:

        def answers() -> bool:
            assert process.poll() is None, "the store ended"
            try:
                return bool(client.ping())
            except redis.ConnectionError:
                return False

        wait_until(answers, "the store does not answer")
        got = {
            name: client.config_get(name)[name]
            for name in (*("appendonly", "appendfsync", "maxmemory-policy", "save"), *PACKING)
        }
        assert got == {
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
            "save": "",
            **PACKING,
        }
        assert int(client.config_get("maxmemory")["maxmemory"]) == 1 << 30
    with redis.Redis(port=port) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()
    assert PASSWORD not in " ".join(psutil.Process(process.pid).cmdline())
