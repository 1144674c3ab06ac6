"""Which model the local stack uses for requests that name none: new packages don't change it, a command does."""

import subprocess
import sys
from pathlib import Path

import pytest
import redis

from contracts.store.registry import Registry
from deploy.local.settings import LocalSettings
from deploy.local.starters import record_defaults
from tests.deploy.stack import ask, environment, running
from tests.support.paths import ROOT
from tests.support.tiny_package import write_package
from tests.support.valkey import ValkeyServer
from tests.support.waiting import PATIENCE_S, wait_until

STARTER, NEW = 8, 4
"""Sizes of vectors, by which the models are told apart."""


def vector_size(url: str) -> int:
    """Return how many numbers the default model of embed answers."""
    status, answer = ask(f"{url}/v1/embed", {"inputs": "w1 w2"})
    assert status == 200, answer
    return len(answer)


def gateway_command(*arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Run a command of the gateway on the store of the running stack."""
    return subprocess.run(
        [sys.executable, "-m", "deploy.local", "gateway", *arguments],
        cwd=ROOT,
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def test_a_new_package_changes_the_answers_of_nobody(tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    write_package(packages / "starter-embed", size=STARTER)
    write_package(packages / "aaa", size=NEW)
    write_package(packages / "m1", task="classify")
    settings = {
        "TRIPTYCH_PORT": "0",
        "TRIPTYCH_DATA": str(tmp_path / "data"),
        "TRIPTYCH_MODELS_DIR": str(packages),
    }
    with running(**settings) as stack:
        assert vector_size(stack.wait_until_ready()) == STARTER
    write_package(packages / "aab", size=NEW)
    write_package(packages / "a1", task="classify", labels=["x", "y"])
    with running(**settings) as stack:
        url = stack.wait_until_ready()
        assert vector_size(url) == STARTER
        assert {row["label"] for row in ask(f"{url}/v1/classify", {"inputs": "w1"})[1]} == {"low", "middle", "high"}
        defaults = {model["id"] for model in ask(f"{url}/v1/models")[1]["data"] if model["default"]}
        assert defaults == {"starter-embed", "m1"}
        done = gateway_command("models", "default", "embed", "aab", **settings)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        wait_until(lambda: vector_size(url) == NEW, "the gateway does not follow the command")
    with running(**settings) as stack:
        assert vector_size(stack.wait_until_ready()) == NEW
    done = gateway_command("models", "default", **settings)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no stack is running on this folder" in done.stderr and done.stderr.count("\n") == 1


def test_starter_models_are_the_defaults_of_new_stores_only(tmp_path: Path, valkey_server: ValkeyServer) -> None:
    for name in ("starter-one", "starter-two", "aaa"):
        write_package(tmp_path / name, task="classify" if name == "starter-two" else "embed")
    write_package(tmp_path / "starter-broken", task="embed").joinpath("manifest.toml").write_text("?")
    folder = {"TRIPTYCH_MODELS_DIR": str(tmp_path)}
    with redis.Redis(port=valkey_server.port) as client:
        registry = Registry(client)
        record_defaults(valkey_server.url, LocalSettings.read(folder | {"TRIPTYCH_MODELS": "aaa,starter-two"}))
        assert registry.known().defaults == {"classify": "starter-two"}, "a model that is not served"
        registry.set_default("classify", "other")
        record_defaults(valkey_server.url, LocalSettings.read(folder))
        assert registry.known().defaults == {"classify": "other", "embed": "starter-one"}


def test_a_store_without_room_for_the_defaults_is_started_all_the_same(tmp_path: Path) -> None:
    write_package(tmp_path / "packages" / "starter-embed")
    settings = {
        "TRIPTYCH_PORT": "0",
        "TRIPTYCH_DATA": str(tmp_path / "data"),
        "TRIPTYCH_MODELS_DIR": str(tmp_path / "packages"),
        "TRIPTYCH_STORE_MAXMEMORY": "1kb",  # less than an empty store takes
    }
    with running(**settings) as stack:
        stack.wait_for_line(r"no defaults were recorded .*\(OOM\)")
        wait_until(lambda: "gateway" in stack.parts(), "the other parts were not started")
        assert "Traceback" not in stack.log


def test_a_command_without_a_stack_says_so(tmp_path: Path) -> None:
    done = gateway_command("models", "default", TRIPTYCH_DATA=str(tmp_path / "none"))
    assert done.returncode == 2
    assert "no stack of yours has run here" in done.stderr and done.stderr.count("\n") == 1


TYPED = f"{sys.executable} -m deploy.local gateway"


def test_the_gateway_command_names_itself_as_it_was_typed(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "none")  # help needs no stack
    done = gateway_command("--help", TRIPTYCH_DATA=nowhere)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"usage: {TYPED} " in done.stdout.replace("\n", " ") and f"\n  {TYPED} keys create --tenant" in done.stdout
    assert "services.gateway" not in done.stdout and "serve on this machine" not in done.stdout
    done = gateway_command("keys", "create", "--help", TRIPTYCH_DATA=nowhere)
    assert done.returncode == 0 and f"{TYPED} keys create" in done.stdout.replace("\n", " ")


@pytest.mark.parametrize("arguments", [[], ["serve"]], ids=["none", "serve"])
def test_the_gateway_command_starts_no_second_gateway(arguments: list[str], valkey_server: ValkeyServer) -> None:
    done = gateway_command(*arguments, TRIPTYCH_REDIS_URL=valkey_server.url)
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: " in done.stderr and ("manage API keys" in done.stderr or "serve" in done.stderr)
