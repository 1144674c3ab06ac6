"""Weights from a hub, against a small server that speaks the part of the Hugging Face hub's API that is used."""

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from contracts.model_package.manifest import Manifest
from contracts.model_package.package import load_package
from tests.support.paths import ROOT
from tests.support.waiting import PROGRAM_S

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def handler_of(files: Path, asked: list[str]) -> type[BaseHTTPRequestHandler]:
    """A handler that serves the files of one folder as repository ``someone/tiny``, and writes down what was asked."""
    names = [str(path.relative_to(files)) for path in sorted(files.rglob("*")) if path.is_file()]
    card = {"id": "someone/tiny", "sha": COMMIT, "siblings": [{"rfilename": name} for name in [*names, "run.py"]]}
    described = json.dumps({**card, "cardData": {"license": "mit"}}).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            name = self.path.removeprefix(f"/someone/tiny/resolve/{COMMIT}/")
            if self.path.startswith("/api/models/someone/tiny"):
                self.answer(200, described)
            elif name in names:
                self.answer(200, (files / name).read_bytes())
            else:
                self.answer(404, b"{}")

        do_HEAD = do_GET

        def answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Type", "application/json")
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{abs(hash(body)):x}"')
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    return Handler


class HubExport:
    """Exports of the hub's model in processes of their own, since the hub's client reads the environment at import."""

    def __init__(self, python: Path, address: str, asked: list[str], folder: Path) -> None:
        self.asked = asked
        self.packages = folder / "packages"
        self._python = python
        self._environment = {"HF_ENDPOINT": address, "HF_HOME": str(folder / "cache"), "HF_HUB_DISABLE_XET": "1"}

    def export(self, name: str, *options: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        source = ["someone/tiny", "--task", "embed", "--name", name, *options, "--output", str(self.packages)]
        return self.run("export", *source, **environment)

    def run(self, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [self._python, "-m", "onnx_models", *arguments],
            cwd=ROOT, capture_output=True, text=True, timeout=PROGRAM_S, check=False,
            env={**os.environ, **self._environment, **environment},
        )  # fmt: skip

    def manifest(self, name: str) -> Manifest:
        return load_package(self.packages / name).manifest


@pytest.fixture(scope="module")
def hub(export_python: Path, sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubExport]:
    asked: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(sources / "bert_embed", asked))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield HubExport(export_python, f"http://127.0.0.1:{server.server_port}", asked, tmp_path_factory.mktemp("hub"))
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_hub_model_is_pinned_to_its_commit_and_then_needs_no_hub(hub: HubExport) -> None:
    early = hub.export("early", HF_HUB_OFFLINE="1")
    assert early.returncode == 1
    assert "not in the local cache, and HF_HUB_OFFLINE forbids" in early.stderr

    first = hub.export("first", "--revision", "main")
    assert first.returncode == 0, first.stderr
    manifest = hub.manifest("first")
    assert (manifest.source, manifest.revision, manifest.licence) == ("someone/tiny", COMMIT, "mit")
    assert any("model.safetensors" in path for path in hub.asked)
    assert not any("run.py" in path or "README" in path for path in hub.asked), "it brings no code"

    hub.asked.clear()
    again = hub.export("again", "--revision", COMMIT, HF_HUB_OFFLINE="1")
    assert again.returncode == 0, again.stderr
    assert hub.asked == []
    assert (hub.manifest("again").source, hub.manifest("again").revision) == ("someone/tiny", COMMIT)

    done = hub.run("verify", str(hub.packages / "again"), HF_HUB_OFFLINE="1")
    assert done.returncode == 0, done.stderr
    assert "verified_with_torch" in hub.manifest("again").verified


def test_an_unreachable_hub_gives_a_plain_message(export_python: Path, tmp_path: Path) -> None:
    command = [export_python, "-m", "onnx_models", "export", "someone/tiny", "--task", "embed", "--name", "tiny"]
    done = subprocess.run(
        [*command, "--output", tmp_path / "packages"],
        cwd=ROOT, capture_output=True, text=True, timeout=PROGRAM_S, check=False,
        env={**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path / "cache")},
    )  # fmt: skip

    assert done.returncode == 1
    assert "can't be downloaded from the hub" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "packages").exists()
