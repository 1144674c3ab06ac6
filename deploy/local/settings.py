"""Settings of the embedded stack. The gateway and the workers read their own from the environment that they inherit."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self, get_args

from contracts.settings import Settings, bare_address, folders, names, setting

AppendFsync = Literal["everysec", "always"]


def _memory_size(text: str) -> str:
    size = text.lower()
    if not size.removesuffix("b").rstrip("kmg").isdigit():
        raise ValueError(size)
    return size


@dataclass(frozen=True)
class LocalSettings(Settings):
    """What `make run` and `make demo` start, and where."""

    host: str = setting(
        "TRIPTYCH_HOST",
        "127.0.0.1",
        convert=bare_address,
        expected="a name or an address",
        help="Address the gateway listens on. Any address but loopback opens it to the network.",
    )
    port: int = setting(
        "TRIPTYCH_PORT",
        8080,
        least=0,
        most=65535,
        help="TCP port of the gateway; 0 takes any free one. `make demo` takes a free one unless this is set.",
    )
    data: Path = setting(
        "TRIPTYCH_DATA",
        Path(".triptych"),
        convert=lambda text: Path(text).absolute(),
        expected="a folder",
        help="Folder of the embedded store, made if it is missing. Deleting it deletes all jobs.",
    )
    redis_url: str = setting(
        "TRIPTYCH_REDIS_URL",
        "",
        secret=True,
        help="URL of a store. When it is set, no embedded store is started.",
    )
    appendfsync: AppendFsync = setting(
        "TRIPTYCH_APPENDFSYNC",
        "everysec",
        choices=get_args(AppendFsync),
        help="When the embedded store writes its log to disk. `always` also keeps the last second "
        "of jobs through a power cut, and makes submits slower.",
    )
    store_maxmemory: str = setting(
        "TRIPTYCH_STORE_MAXMEMORY",
        "1gb",
        convert=_memory_size,
        expected="bytes, or a number with kb, mb or gb",
        help="Memory limit of the embedded store (bytes, kb, mb, gb). When it is full, submits are refused.",
    )
    models_dir: tuple[Path, ...] = setting(
        "TRIPTYCH_MODELS_DIR",
        (Path("onnx_models/packages"),),
        convert=folders,
        expected="folders, separated by colons",
        help="Folders that hold model packages, separated by colons. Starter models in them are the defaults of their "
        "tasks in a new store.",
    )
    models: tuple[str, ...] = setting(
        "TRIPTYCH_MODELS",
        (),
        convert=names,
        expected="names, separated by commas",
        help="Names of the models to serve, separated by commas. Empty: every package.",
    )
    drain_s: float = setting(
        "TRIPTYCH_DRAIN_S",
        25.0,
        least=0,
        most=3600,
        unit="seconds",
        help="Time that the workers have to finish their jobs when the stack stops.",
    )
    runtime_dir: Path | None = setting(
        "TRIPTYCH_RUNTIME_DIR",
        None,
        convert=lambda text: Path(text).absolute(),
        expected="a folder",
        help="Folder in which the workers leave notes of the jobs that they hold. Empty: the temporary directory.",
    )
    inherited: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The whole environment, which child processes inherit."""

    @classmethod
    def read(
        cls, variables: Mapping[str, str] | None = None, *, port: int = 8080, data: Path = Path(".triptych")
    ) -> Self:
        """Read the settings; ``port`` and ``data`` are the defaults of their variables.

        Raises:
            SettingsError: a value that can't be used.
        """
        inherited = dict(os.environ if variables is None else variables)
        return cls._read(variables, {"port": port, "data": data}, inherited=inherited)
