"""Downloads an archive, with limits of size and time: a server may be broken, slow or hostile."""

import threading
import time
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from onnx_models.command_line.progress import counting_bytes
from onnx_models.errors import ExportError
from onnx_models.package_store.archives import check_room

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Limits:
    """What a download may take."""

    max_bytes: int = 64 << 30
    silence_s: float = 30.0
    """Longest time without a byte."""
    period_s: float = 60.0
    min_period_bytes: int = 1 << 20
    """A download that gets fewer bytes in a period is given up."""
    max_s: float = 24 * 3600.0
    """For the whole download, for a server that sends on for ever."""


LIMITS = Limits()


def download(url: str, path: Path, limits: Limits = LIMITS) -> None:
    """Write what a URL returns into a file.

    Raises:
        ExportError: it can't be reached, ends too early, or exceeds a limit.
    """
    transfer = _Transfer(url, path, limits)
    # In a thread of its own, because a read can't be interrupted, and a server that sends a byte at a time keeps it
    # from its end. A daemon, because after a refusal it may go on for a while.
    thread = threading.Thread(target=transfer.run, name="download", daemon=True)
    thread.start()
    try:
        _wait(thread, transfer, limits)
    finally:
        transfer.stopped = True
    if transfer.error:
        raise transfer.error


def _wait(thread: threading.Thread, transfer: "_Transfer", limits: Limits) -> None:
    """Wait for the end of a download, and raise ``ExportError`` if it is too slow."""
    started = time.monotonic()
    while thread.is_alive():
        before = transfer.num_bytes
        thread.join(limits.period_s)
        if not thread.is_alive():
            return
        if transfer.num_bytes - before < limits.min_period_bytes:
            slow = f"less than {limits.min_period_bytes} bytes in {limits.period_s:g} s"
            raise ExportError(f"{transfer.url}: given up, because it is too slow: {slow}")
        if time.monotonic() - started > limits.max_s:
            raise ExportError(f"{transfer.url}: given up after {limits.max_s:g} s")


@dataclass
class _Transfer:
    """A download as the thread sees it."""

    url: str
    path: Path
    limits: Limits
    num_bytes: int = 0
    stopped: bool = False
    error: ExportError | None = None

    def run(self) -> None:
        """Download; keep the exception for the thread that waits."""
        try:
            self._run()
        except ExportError as error:
            self.error = error
        except (HTTPException, OSError, ValueError) as error:  # URLError is an OSError
            self.error = ExportError(f"{self.url}: could not be downloaded: {error}")

    def _run(self) -> None:
        with (
            urllib.request.urlopen(self.url, timeout=self.limits.silence_s) as reply,  # noqa: S310 (http only)
            self.path.open("wb") as file,
        ):
            total = int(reply.headers.get("Content-Length") or 0)
            self._check_size(total)
            with counting_bytes(f"downloading {self.url}", total) as count:
                # read1 returns what is there, so that the size is known while a slow server fills a chunk.
                while not self.stopped and (chunk := reply.read1(_CHUNK_BYTES)):
                    self.num_bytes += len(chunk)
                    self._check_size(self.num_bytes)
                    file.write(chunk)
                    count(len(chunk))
        # urllib reads a connection that ends too early without an error.
        if total and self.num_bytes != total:
            raise ExportError(f"{self.url}: the connection ended after {self.num_bytes} of {total} bytes; try again")

    def _check_size(self, num_bytes: int) -> None:
        if num_bytes > self.limits.max_bytes:
            raise ExportError(f"{self.url}: more than {self.limits.max_bytes / 1e9:g} GB; no package is that large")
        # Of what is still to come only: what is written already is no longer free.
        check_room(self.path.parent, num_bytes - self.num_bytes)
