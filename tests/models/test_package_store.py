"""Packages are checked and added atomically, shown, and removed; by an interpreter without torch."""

import http.server
import io
import json
import shutil
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from contracts.model_package.package import PackageError, load_package
from onnx_models.errors import ExportError
from onnx_models.package_store import store
from tests.support.paths import ROOT
from tests.support.tiny_package import write_package
from tests.support.waiting import PROGRAM_S


def onnx_models(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "onnx_models", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PROGRAM_S, check=False)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A valid package in a folder of its own."""
    return write_package(tmp_path / "from" / "tiny")


def tarred(package: Path, path: Path) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        tar.add(package, arcname=package.name)
    return path


def zipped(package: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in package.iterdir():
            archive.write(file, f"{package.name}/{file.name}")
    return path


@pytest.mark.parametrize("form", ["folder", "tar", "zip"])
def test_a_finished_package_is_added_and_removed(package: Path, tmp_path: Path, form: str) -> None:
    (package / "extra.txt").write_text("not listed, so not taken")
    where = {
        "folder": lambda: package,
        "tar": lambda: tarred(package, tmp_path / "tiny.tar.gz"),
        "zip": lambda: zipped(package, tmp_path / "tiny.zip"),
    }[form]()
    output = tmp_path / "to"

    added = onnx_models("add", where, "--output", output)
    assert added.returncode == 0, added.stderr
    assert {path.name for path in (output / "tiny").iterdir()} == {"manifest.toml", "model.onnx", "tokenizer.json"}
    assert load_package(output / "tiny").manifest.name == "tiny"
    assert onnx_models("add", where, "--output", output).stderr.endswith("exists already; --force replaces it\n")
    assert onnx_models("add", where, "--output", output, "--force").returncode == 0
    assert {path.name for path in output.iterdir()} == {"tiny"}

    assert onnx_models("remove", "tiny", "--folder", output).returncode == 0
    assert list(output.iterdir()) == []
    gone = onnx_models("remove", "tiny", "--folder", output)
    assert gone.returncode == 1 and "no package 'tiny'" in gone.stderr


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """The address of a web server over a folder of its own."""
    folder = tmp_path / "site"
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(folder))  # type: ignore[arg-type]

        def log_message(self, *_: object) -> None:
            """Log nothing."""

        def do_GET(self) -> None:
            if self.path == "/cut.tar.gz":  # the connection ends in the middle
                self.send_response(200)
                self.send_header("Content-Length", "100000")
                self.end_headers()
                self.wfile.write(b"x" * 10)
            else:
                super().do_GET()

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_package_is_downloaded_and_its_checksum_compared(package: Path, site: str, tmp_path: Path) -> None:
    digest = sha256(tarred(package, tmp_path / "site" / "tiny.tar.gz").read_bytes()).hexdigest()
    output = tmp_path / "to"

    wrong = onnx_models("add", f"{site}/tiny.tar.gz", "--sha256", "0" * 64, "--output", output)
    assert wrong.returncode == 1 and digest in wrong.stderr
    right = onnx_models("add", f"{site}/tiny.tar.gz", "--sha256", digest, "--output", output)
    assert right.returncode == 0, right.stderr
    assert load_package(output / "tiny").manifest.name == "tiny"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nothing.tar.gz", "be downloaded: HTTP Error 404"),
        ("cut.tar.gz", "be downloaded|ended after"),
    ],
)
def test_a_failed_download_leaves_nothing(site: str, tmp_path: Path, path: str, message: str) -> None:
    with pytest.raises(ExportError, match=message):
        store.add(f"{site}/{path}", tmp_path / "to", sha256=None, force=False)
    assert list((tmp_path / "to").iterdir()) == []


def evil_tar(path: Path, package: Path, change: tarfile.TarInfo) -> Path:
    tarred(package, path)
    with tarfile.open(path, "w:gz") as tar:
        tar.add(package, arcname=package.name)
        tar.addfile(change, io.BytesIO(b"x" * change.size))
    return path


@pytest.mark.parametrize("name", ["../evil.txt", "/evil.txt", "tiny/../../evil.txt", "tiny/deep/er/evil.txt"])
def test_an_archive_with_paths_outside_of_the_package_is_refused(package: Path, tmp_path: Path, name: str) -> None:
    member = tarfile.TarInfo(name)
    member.size = 1
    with pytest.raises(ExportError, match="points outside of the package's folder"):
        store.add(str(evil_tar(tmp_path / "evil.tgz", package, member)), tmp_path / "to", sha256=None, force=False)
    assert list((tmp_path / "to").iterdir()) == []
    assert not (tmp_path / "evil.txt").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_an_archive_with_other_than_regular_files_is_refused(package: Path, tmp_path: Path, kind: bytes) -> None:
    member = tarfile.TarInfo("tiny/passwd")
    member.type, member.linkname = kind, "/etc/passwd"
    with pytest.raises(ExportError, match=r"tiny/passwd is not a regular file"):
        store.add(str(evil_tar(tmp_path / "evil.tgz", package, member)), tmp_path / "to", sha256=None, force=False)
    assert list((tmp_path / "to").iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"not an archive", b"\x1f\x8b\x08\x00 cut off", b"PK\x03\x04"])
def test_a_file_that_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tar.gz").write_bytes(content)
    with pytest.raises((ExportError, PackageError)):
        store.add(str(tmp_path / "a.tar.gz"), tmp_path / "to", sha256=None, force=False)
    assert list((tmp_path / "to").iterdir()) == []


def test_a_package_with_a_changed_file_is_not_added(package: Path, tmp_path: Path) -> None:
    (package / "tokenizer.json").write_text("{}")
    with pytest.raises(PackageError, match="SHA-256 differs"):
        store.add(str(package), tmp_path / "to", sha256=None, force=False)
    assert list((tmp_path / "to").iterdir()) == []


def test_a_link_in_a_folder_is_not_followed(package: Path, tmp_path: Path) -> None:
    (package / "model.onnx").rename(tmp_path / "model.onnx")
    (package / "model.onnx").symlink_to(tmp_path / "model.onnx")
    with pytest.raises(PackageError, match="not a regular file"):
        store.add(str(package), tmp_path / "to", sha256=None, force=False)


def test_an_archive_larger_than_the_disk_is_refused_before_it_is_unpacked(package: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w") as archive:
        archive.writestr("tiny/model.onnx", b"x")
    data = bytearray((tmp_path / "bomb.zip").read_bytes())
    at = data.rindex(b"PK\x01\x02") + 24  # the size that the central directory tells
    data[at : at + 4] = (0xFFFFFFF0).to_bytes(4, "little")
    (tmp_path / "bomb.zip").write_bytes(data)
    free = shutil.disk_usage(tmp_path).free
    message = "MB are needed" if free < 0xFFFFFFF0 else "."
    with pytest.raises((ExportError, PackageError), match=message):
        store.add(str(tmp_path / "bomb.zip"), tmp_path / "to", sha256=None, force=False)
    assert list((tmp_path / "to").iterdir()) == []


def test_show_prints_metadata_and_figures() -> None:
    shown = onnx_models("show", "starter-embed").stdout
    assert "task: embed" in shown
    assert "batch safe: yes" in shown
    assert "relative_diff" in shown and "largest difference from the reference" in shown
    assert "nearest_neighbour: 0.955" in shown
    table = json.loads(onnx_models("show", "starter-embed", "--json").stdout)
    assert table["embed"]["dimensions"] == 128
    missing = onnx_models("show", "nope")
    assert missing.returncode == 1 and "starter-classify, starter-denoise, starter-embed" in missing.stderr


def test_verify_of_a_package_from_a_folder_needs_the_folder() -> None:
    done = onnx_models("verify", "starter-embed")
    assert done.returncode == 1
    assert "give it with --reference" in done.stderr
