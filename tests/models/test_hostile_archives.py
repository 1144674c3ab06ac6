"""Archives and servers that somebody made to fill the disk, the memory or the time of who adds a package."""

import bz2
import http.server
import io
import lzma
import tarfile
import threading
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from contracts.model_package.files import PackageError
from onnx_models.errors import ExportError
from onnx_models.package_store import store
from onnx_models.package_store.archives import unpack
from onnx_models.package_store.download import Limits, download
from onnx_models.package_store.entries import MAX_ENTRIES, MIN_BUDGET_BYTES
from tests.support.tiny_package import write_package
from tests.support.waiting import PATIENCE_S, wait_until

NUM_ZEROS = 3 * MIN_BUDGET_BYTES
ZEROS = bytes(1 << 20)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return write_package(tmp_path / "from" / "tiny")


def digest_of_zeros() -> str:
    digest = sha256()
    for _ in range(NUM_ZEROS // len(ZEROS)):
        digest.update(ZEROS)
    return digest.hexdigest()


def listing_zeros(package: Path) -> Path:
    """Let the manifest of a package list a file of zeros."""
    manifest = package / "manifest.toml"
    manifest.write_text(manifest.read_text().replace("[files]", f'[files]\n"zeros.bin" = "{digest_of_zeros()}"'))
    return package


def zip_with_zeros(package: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("tiny/zeros.bin", "w") as file:
            for _ in range(NUM_ZEROS // len(ZEROS)):
                file.write(ZEROS)
        for file_path in package.iterdir():
            archive.write(file_path, f"tiny/{file_path.name}")
    return path


def tar_with(package: Path, path: Path, mode: str, **members: int) -> Path:
    """Pack members of so many zeros before the files of a package."""
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, size in members.items():
            member = tarfile.TarInfo(f"tiny/{name}.bin")
            member.size = size
            tar.addfile(member, io.BytesIO(bytes(size)))
        tar.add(package, arcname="tiny")
    return path


def tar_with_zeros(package: Path, path: Path) -> Path:
    return tar_with(package, path, "w:gz", zeros=NUM_ZEROS)


def unpacked_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def test_what_macos_adds_to_archives_is_left_out(package: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "tiny.zip", "w") as archive:
        for name in ("tiny/.DS_Store", "__MACOSX/._tiny", "__MACOSX/tiny/._manifest.toml", "tiny/._manifest.toml"):
            archive.writestr(name, "not TOML")
        for file_path in package.iterdir():
            archive.write(file_path, f"tiny/{file_path.name}")
    unpack(tmp_path / "tiny.zip", tmp_path / "unpacked")
    assert {path.name for path in (tmp_path / "unpacked").iterdir()} == {path.name for path in package.iterdir()}


def test_what_the_manifest_does_not_list_is_not_unpacked(package: Path, tmp_path: Path) -> None:
    unpack(zip_with_zeros(package, tmp_path / "tiny.zip"), tmp_path / "unpacked")
    assert {path.name for path in (tmp_path / "unpacked").iterdir()} == {path.name for path in package.iterdir()}


@pytest.mark.parametrize("pack", [zip_with_zeros, tar_with_zeros])
def test_a_small_archive_that_unpacks_to_very_much_is_refused(
    package: Path, tmp_path: Path, pack: Callable[[Path, Path], Path]
) -> None:
    archive = pack(listing_zeros(package), tmp_path / "bomb")
    assert archive.stat().st_size < NUM_ZEROS / 100
    with pytest.raises(ExportError, match="too much for an archive of this size"):
        unpack(archive, tmp_path / "unpacked")
    assert unpacked_bytes(tmp_path / "unpacked") < MIN_BUDGET_BYTES


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2"])
def test_what_is_skipped_counts_too(package: Path, tmp_path: Path, mode: str) -> None:
    """Unpacking takes time, even if nothing is written: bzip2 makes 45,000 bytes of one."""
    archive = tar_with(package, tmp_path / "bomb", mode, other=NUM_ZEROS)
    with pytest.raises(ExportError, match="too much for an archive of this size"):
        unpack(archive, tmp_path / "unpacked")


def test_large_weights_are_not_taken_for_an_attack(package: Path, tmp_path: Path) -> None:
    listing_zeros(package)
    archive = tar_with(package, tmp_path / "large.tar", "w", zeros=NUM_ZEROS)
    unpack(archive, tmp_path / "unpacked")
    assert (tmp_path / "unpacked" / "zeros.bin").stat().st_size == NUM_ZEROS


def test_a_zip_that_states_less_than_it_holds_is_refused(package: Path, tmp_path: Path) -> None:
    archive = zip_with_zeros(listing_zeros(package), tmp_path / "lying.zip")
    archive.write_bytes(archive.read_bytes().replace(NUM_ZEROS.to_bytes(4, "little"), (1000).to_bytes(4, "little")))
    with pytest.raises(ExportError):
        unpack(archive, tmp_path / "unpacked")
    assert unpacked_bytes(tmp_path / "unpacked") < MIN_BUDGET_BYTES


def test_a_sparse_file_is_refused(package: Path, tmp_path: Path) -> None:
    """Its content is 1 TB of zeros, which no archive needs to hold."""
    size, name = 1 << 40, "tiny/model.onnx"
    attributes = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": name,
                  "GNU.sparse.realsize": str(size)}  # fmt: skip
    member = tarfile.TarInfo(name)
    member.size, member.pax_headers = 512, attributes
    with tarfile.open(tmp_path / "sparse.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        tar.add(package / "manifest.toml", arcname="tiny/manifest.toml")
        tar.addfile(member, io.BytesIO(b"0\n".ljust(512, b"\0")))
    with pytest.raises(ExportError, match="is not a regular file"):
        unpack(tmp_path / "sparse.tar", tmp_path / "unpacked")


def test_a_long_header_is_not_read_into_memory(package: Path, tmp_path: Path) -> None:
    member = tarfile.TarInfo("tiny/model.onnx")
    member.pax_headers = {"comment": "x" * (MIN_BUDGET_BYTES - (1 << 20))}
    with tarfile.open(tmp_path / "long.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(member)
        tar.add(package, arcname="tiny")
    tracemalloc.start()
    try:
        with pytest.raises(ExportError, match="a header of"):
            unpack(tmp_path / "long.tar.gz", tmp_path / "unpacked")
        assert tracemalloc.get_traced_memory()[1] < MIN_BUDGET_BYTES / 2
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_an_archive_of_very_many_files_is_refused(package: Path, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "many"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for number in range(MAX_ENTRIES + 1):
                archive.writestr(f"tiny/{number}", b"")
    else:
        tar_with(package, path, "w", **{f"n{number}": 0 for number in range(MAX_ENTRIES + 1)})
    with pytest.raises(ExportError, match=f"more than {MAX_ENTRIES} files"):
        unpack(path, tmp_path / "unpacked")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_with_another_method_than_deflate_is_refused(package: Path, tmp_path: Path, method: int) -> None:
    with zipfile.ZipFile(tmp_path / "odd.zip", "w", method) as archive:
        archive.write(package / "manifest.toml", "manifest.toml")
    with pytest.raises(ExportError, match="deflate"):
        unpack(tmp_path / "odd.zip", tmp_path / "unpacked")


def test_an_archive_without_a_manifest_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "weights.bin").write_bytes(b"x")
    with pytest.raises(ExportError, match=r"no manifest\.toml"):
        unpack(tar_with(tmp_path / "other", tmp_path / "other.tar", "w"), tmp_path / "unpacked")


@pytest.mark.parametrize("seed", range(40))
def test_damaged_archives_are_refused_or_unpacked_and_nothing_else(package: Path, tmp_path: Path, seed: int) -> None:
    """Any byte may be wrong; the libraries raise nearly every exception for that."""
    plain = tar_with(package, tmp_path / "plain.tar", "w").read_bytes()
    pack = (lambda data: data, bz2.compress, lzma.compress)[seed % 3]
    data = bytearray(pack(plain))
    for place in range(8):
        data[(seed * 7919 + place * 104_729) % min(len(data), 2048)] ^= 1 << (seed + place) % 8
    (tmp_path / "damaged").write_bytes(data)
    try:
        store.add(str(tmp_path / "damaged"), tmp_path / "to", sha256=None, force=False)
    except (ExportError, PackageError):
        assert list((tmp_path / "to").iterdir()) == []


FAST = Limits(max_bytes=1 << 20, silence_s=2.0, period_s=0.5, min_period_bytes=1 << 14)
PATIENT = replace(FAST, silence_s=PATIENCE_S, period_s=PATIENCE_S)
"""For what must not be called slow on a machine that is."""


class _Hostile(http.server.BaseHTTPRequestHandler):
    """Sends for ever: a lot without a length, a byte at a time, headers without an end, or nothing."""

    protocol_version = "HTTP/1.0"
    ended = threading.Event()

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def do_GET(self) -> None:
        kind = self.path.strip("/")
        try:
            if kind == "headers":
                self._send_for_ever(b"HTTP/1.0 200 OK\r\nX-Padding: ", b"x", pause_s=0.02)
            self.send_response(200)
            if kind == "large":
                self.send_header("Content-Length", str(1 << 40))
            self.end_headers()
            if kind == "endless":
                self._send_for_ever(b"", bytes(1 << 16), pause_s=0.0)
            if kind == "drip":
                self._send_for_ever(b"", b"x", pause_s=0.02)
            self.ended.wait(60)
        except OSError:
            pass  # the client went away

    def _send_for_ever(self, first: bytes, rest: bytes, *, pause_s: float) -> None:
        self.wfile.write(first)
        while not self.ended.wait(pause_s):
            self.wfile.write(rest)


@pytest.fixture
def hostile_site() -> Iterator[str]:
    _Hostile.ended.clear()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Hostile)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    _Hostile.ended.set()
    server.shutdown()
    thread.join()
    server.server_close()
    # The thread of a download that was given up ends with its connection.
    wait_until(lambda: "download" not in {each.name for each in threading.enumerate()}, "a download goes on")


@pytest.mark.parametrize(
    ("kind", "message", "limits"),
    [
        ("endless", "no package is that large", PATIENT),
        ("large", "no package is that large", PATIENT),
        ("drip", "too slow", FAST),
        ("headers", "too slow|too long", FAST),
        ("silent", "too slow|timed out", FAST),
    ],
)
def test_a_download_without_an_end_is_given_up(
    hostile_site: str, tmp_path: Path, kind: str, message: str, limits: Limits
) -> None:
    with pytest.raises(ExportError, match=message):
        download(f"{hostile_site}/{kind}", tmp_path / "archive", limits)
    assert not (tmp_path / "archive").exists() or (tmp_path / "archive").stat().st_size <= FAST.max_bytes


def test_a_download_has_a_longest_time(hostile_site: str, tmp_path: Path) -> None:
    limits = replace(PATIENT, period_s=0.2, min_period_bytes=0, max_s=0.3)
    with pytest.raises(ExportError, match=r"given up after 0\.3 s"):
        download(f"{hostile_site}/drip", tmp_path / "archive", limits)
