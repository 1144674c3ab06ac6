"""Settings of the embedded stack. The gateway and the worker read their own from the environment that they inherit."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from contracts.settings import Environment, SettingsError


@dataclass(frozen=True)
class LocalSettings:
    """What `make run` and `make demo` start, and where."""

    host: str = "127.0.0.1"
    """TRIPTYCH_HOST: address the gateway listens on; anything but loopback opens it to the network."""
    port: int = 8080
    """TRIPTYCH_PORT: TCP port of the gateway; 0 takes any free one. `make demo` takes a free one unless this is set."""
    data: Path = Path(".triptych")
    """TRIPTYCH_DATA: folder of the embedded store, made if missing; deleting it deletes all jobs."""
    redis_url: str = field(default="", repr=False)
    """TRIPTYCH_REDIS_URL: when set, this store is used and no embedded one is started."""
    appendfsync: Literal["everysec", "always"] = "everysec"
    """TRIPTYCH_APPENDFSYNC: `always` also keeps the last second of jobs through a power cut, at slower submits."""
    store_maxmemory: str = "1gb"
    """TRIPTYCH_STORE_MAXMEMORY: most memory of the embedded store (bytes, kb, mb, gb); full, it refuses jobs."""
    drain_s: float = 25.0
    """TRIPTYCH_DRAIN_S: seconds the worker may take to finish its jobs when the stack stops."""
    inherited: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The whole environment, which child processes inherit."""

    @classmethod
    def read(cls, env: Environment, *, port: int = 8080, data: Path = Path(".triptych")) -> "LocalSettings":
        """Read the variables named above; ``port`` and ``data`` are what counts where the variable is not set.

        Raises:
            SettingsError: a value that can't be used.
        """
        appendfsync = env.text("TRIPTYCH_APPENDFSYNC", cls.appendfsync)
        if appendfsync not in {"everysec", "always"}:
            raise SettingsError(f"TRIPTYCH_APPENDFSYNC={appendfsync}: expected everysec or always")
        maxmemory = env.text("TRIPTYCH_STORE_MAXMEMORY", cls.store_maxmemory).lower()
        if not maxmemory.removesuffix("b").rstrip("kmg").isdigit():
            raise SettingsError(f"TRIPTYCH_STORE_MAXMEMORY={maxmemory}: expected bytes, or a number with kb, mb or gb")
        return cls(
            host=env.text("TRIPTYCH_HOST", cls.host),
            port=env.integer("TRIPTYCH_PORT", port, least=0, most=65535),
            data=Path(env.text("TRIPTYCH_DATA", str(data))).absolute(),
            redis_url=env.text("TRIPTYCH_REDIS_URL", ""),
            appendfsync="always" if appendfsync == "always" else "everysec",
            store_maxmemory=maxmemory,
            drain_s=env.number("TRIPTYCH_DRAIN_S", cls.drain_s, least=0, most=3600),
            inherited=dict(os.environ),
        )
