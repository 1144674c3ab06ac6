"""An archive that is larger than it looks."""

import resource
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.encoder.memory import STARTERS
from benchmarks.harness.stack import ROOT, Stack
from benchmarks.hostile.bodies import GATEWAY
from benchmarks.hostile.observer import Observer, Request
from benchmarks.hostile.report import Limits, Row
from benchmarks.hostile.responder import Responder

MIB = 1 << 20


def measure(stack: Stack, scale: float) -> Iterator[Row]:
    """Yield a row for a zip whose entries unpack to 1.5 GB. The other client asks a gateway beside it."""
    num_mib = max(16, int(1500 * scale))
    with Responder(stack, {"embed": b"[]"}):  # a gateway without any model does not get ready
        observer = Observer(GATEWAY, Request(stack.start_gateway()))
    with tempfile.TemporaryDirectory(prefix="triptych-hostile-") as folder:
        archive = _archive(Path(folder), num_mib)
        case = f"onnx_models add: a zip of {archive.stat().st_size / 1e6:.0f} MB that unpacks to {num_mib:,} MB"
        yield observer.run(case, lambda: _add(archive, Path(folder)), Limits(delay_ms=200, memory_mb=200, cpu_s=4.0))


def _archive(folder: Path, num_mib: int) -> Path:
    file = folder / "hostile.zip"
    package = STARTERS / "starter-classify"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(package.iterdir()):
            archive.write(path, f"starter-classify/{path.name}")
        with archive.open("starter-classify/padding.bin", "w", force_zip64=True) as entry:
            for _ in range(num_mib):
                entry.write(bytes(MIB))
    return file


def _add(archive: Path, folder: Path) -> str:
    command = [sys.executable, "-m", "onnx_models", "add", str(archive), "--output", str(folder / "packages")]
    ended = threading.Event()
    most = [0]

    def watch() -> None:
        while not ended.wait(0.02):
            most[0] = max(most[0], _num_bytes(folder) - archive.stat().st_size)

    watcher = threading.Thread(target=watch)
    watcher.start()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    ended.set()
    watcher.join()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    return f"exit status {done.returncode}, wrote up to {most[0] / 1e6:,.0f} MB in {cpu_s:.1f} CPU s of its own"


def _num_bytes(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:  # deleted meanwhile
            continue
    return total
