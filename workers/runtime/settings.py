"""Settings of a worker process, read once from the environment when the process starts."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self, get_args

from contracts.machine import available_cpus, share_of_memory
from contracts.settings import Settings, StoreSettings, folders, names, setting, whole_number

Device = Literal["cpu", "cuda"]


@dataclass(frozen=True)
class WorkerSettings(Settings):
    """What a worker serves, and how much of the machine it uses."""

    store: StoreSettings
    models_dir: tuple[Path, ...] = setting(
        "TRIPTYCH_MODELS_DIR",
        (Path("onnx_models/packages"),),
        convert=folders,
        expected="folders, separated by colons",
        help="Folders that hold model packages, separated by colons.",
    )
    models: tuple[str, ...] = setting(
        "TRIPTYCH_MODELS",
        (),
        convert=names,
        expected="names, separated by commas",
        help="Names of the models to serve, separated by commas. Empty: every package that this worker can serve.",
    )
    device: Device = setting(
        "TRIPTYCH_DEVICE",
        "cpu",
        choices=get_args(Device),
        help="Device of the model calls. A worker that is set to cuda and can't use it exits.",
    )
    threads: int = setting(
        "TRIPTYCH_THREADS",
        1,
        least=1,
        most=512,
        computed=True,
        help="Threads of one model call. Default: the CPUs that the cgroup and the affinity of the process allow.",
    )
    concurrency: int = setting(
        "TRIPTYCH_CONCURRENCY",
        64,
        least=1,
        most=1024,
        unit="jobs",
        help="Most jobs in hand at once. A worker takes no more than it has use for, which is less if they are short. "
        "The last 8, or a quarter of fewer than 32, are for tenants that hold few.",
    )
    drain_s: float = setting(
        "TRIPTYCH_DRAIN_S",
        25.0,
        least=0,
        most=3600,
        unit="seconds",
        help="How long a stopping worker goes on with its jobs. Then it returns them to their queues.",
    )
    max_memory: int = setting(
        "TRIPTYCH_MAX_MEMORY",
        4096,
        least=64,
        most=1 << 30,
        unit="MiB",
        computed=True,
        help="Memory of this worker. Model calls, jobs in hand and paused texts are kept within it: longer inputs are "
        "refused, jobs wait in their queues, and texts are not paused. Default: 90 % of the container's limit, or a "
        "quarter of a machine without one.",
    )
    max_batch_tokens: int | None = setting(
        "TRIPTYCH_MAX_BATCH_TOKENS",
        None,
        convert=lambda text: whole_number(text) or None,
        expected="a whole number from 0 to 1000000 tokens",
        least=0,
        most=1_000_000,
        help="Encoder: padded tokens of one model call, instead of the limit of each package (0: that limit). No less "
        "than the longest input that a served model takes.",
    )
    max_rows: int = setting(
        "TRIPTYCH_MAX_ROWS",
        16,
        least=1,
        most=1024,
        unit="sequences",
        help="Decoder and seq2seq: sequences of one model that are generated at once, each in a slot of its cache.",
    )
    max_cache_tokens: int = setting(
        "TRIPTYCH_MAX_CACHE_TOKENS",
        32768,
        least=1,
        most=100_000_000,
        unit="tokens",
        help="Decoder and seq2seq: tokens in the cache of one model, over all slots, which bounds its memory. No less "
        "than the longest sequence of the model.",
    )
    hard_limit_s: float = setting(
        "TRIPTYCH_HARD_LIMIT_S",
        600.0,
        least=1,
        most=86400,
        unit="seconds",
        help="A single model call that takes longer ends the worker, so that another one can run its jobs.",
    )
    stall_s: float = setting(
        "TRIPTYCH_STALL_S",
        30.0,
        least=5,
        most=3600,
        unit="seconds",
        help="A worker that has room and asks for no job for this long while jobs wait in its queues ends, to be "
        "restarted.",
    )
    reload_s: float = setting(
        "TRIPTYCH_RELOAD_S",
        5.0,
        least=0,
        most=3600,
        unit="seconds",
        help="How often to look for new versions of the served packages. 0: only on SIGHUP.",
    )
    runtime_dir: Path | None = setting(
        "TRIPTYCH_RUNTIME_DIR",
        None,
        convert=lambda text: Path(text).absolute(),
        expected="a folder",
        help="Folder of this machine in which workers leave notes of the jobs that they hold, in a folder "
        "`triptych-<user id>`, so that another worker can give these back at once if one dies. In a container it must "
        "outlive a restart. Empty: the temporary directory.",
    )

    weights_bytes: int = 0
    """Size of all packages that the worker serves; the loader fills it in. It leaves less for everything else."""

    @classmethod
    def read(cls, variables: Mapping[str, str] | None = None) -> Self:
        """Read the settings of the worker and of its store, by default from the environment of this process.

        Raises:
            SettingsError: a value that can't be used.
        """
        return cls._read(
            variables,
            {"threads": available_cpus(), "max_memory": share_of_memory() >> 20},
            store=StoreSettings.read(variables),
        )
