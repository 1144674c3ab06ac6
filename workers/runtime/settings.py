"""Settings of a worker process, read once from the environment."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from contracts.settings import Environment, SettingsError, StoreSettings
from workers.runtime.process.cpu import available_cpus

Device = Literal["cpu", "cuda"]


@dataclass(frozen=True)
class WorkerSettings:
    """What a worker serves, and with how much of the machine."""

    store: StoreSettings
    models_dir: tuple[Path, ...] = (Path("onnx_models/packages"),)
    """TRIPTYCH_MODELS_DIR: folders that hold model packages, separated by colons."""
    models: tuple[str, ...] = ()
    """TRIPTYCH_MODELS: names of the models to serve, by commas; empty: every package that this worker can serve."""
    device: Device = "cpu"
    """TRIPTYCH_DEVICE: cpu or cuda. A worker that asked for cuda and did not get it exits."""
    threads: int = 1
    """TRIPTYCH_THREADS: threads of one model call. Default: the CPUs that the cgroup and the affinity allow."""
    concurrency: int = 64
    """TRIPTYCH_CONCURRENCY: jobs in hand at once. More give better batches and cost a thread each."""
    drain_s: float = 25.0
    """TRIPTYCH_DRAIN_S: how long a stopping worker works on; then it gives its jobs back to the queue."""
    max_batch_tokens: int | None = None
    """TRIPTYCH_MAX_BATCH_TOKENS: padded tokens of one model call, instead of the packages' own limit; at least as many
    as the longest input of every served model may have."""
    max_rows: int = 16
    """TRIPTYCH_MAX_ROWS: texts that one decoder writes side by side."""
    max_cache_tokens: int = 32768
    """TRIPTYCH_MAX_CACHE_TOKENS: tokens that all texts of one decoder may hold together, which bounds the memory of its
    cache; at least as many as its longest text may have."""
    hard_limit_s: float = 600.0
    """TRIPTYCH_HARD_LIMIT_S: a single model call that takes longer than this ends the worker."""
    stall_s: float = 30.0
    """TRIPTYCH_STALL_S: a worker with nothing to do and messages waiting for this long ends, to start afresh."""

    reload_s: float = 5.0
    """TRIPTYCH_RELOAD_S: how often to look for new versions of the served packages; 0: only on SIGHUP."""

    @classmethod
    def read(cls, env: Environment) -> "WorkerSettings":
        """Read the variables named above.

        Raises:
            SettingsError: a value out of range.
        """
        device = env.text("TRIPTYCH_DEVICE", cls.device)
        if device not in ("cpu", "cuda"):
            raise SettingsError(f"TRIPTYCH_DEVICE={device}: expected cpu or cuda")
        folders = env.text("TRIPTYCH_MODELS_DIR", str(cls.models_dir[0]))
        names = env.text("TRIPTYCH_MODELS", "")
        tokens = env.integer("TRIPTYCH_MAX_BATCH_TOKENS", 0, least=0, most=1_000_000)
        return cls(
            store=StoreSettings.read(env),
            models_dir=tuple(Path(folder) for folder in folders.split(":") if folder),
            models=tuple(name.strip() for name in names.split(",") if name.strip()),
            device="cuda" if device == "cuda" else "cpu",
            threads=env.integer("TRIPTYCH_THREADS", available_cpus(), least=1, most=512),
            concurrency=env.integer("TRIPTYCH_CONCURRENCY", cls.concurrency, least=1, most=1024),
            drain_s=env.number("TRIPTYCH_DRAIN_S", cls.drain_s, least=0, most=3600),
            max_batch_tokens=tokens or None,
            max_rows=env.integer("TRIPTYCH_MAX_ROWS", cls.max_rows, least=1, most=1024),
            max_cache_tokens=env.integer("TRIPTYCH_MAX_CACHE_TOKENS", cls.max_cache_tokens, least=1, most=100_000_000),
            hard_limit_s=env.number("TRIPTYCH_HARD_LIMIT_S", cls.hard_limit_s, least=1, most=86400),
            stall_s=env.number("TRIPTYCH_STALL_S", cls.stall_s, least=5, most=3600),
            reload_s=env.number("TRIPTYCH_RELOAD_S", cls.reload_s, least=0, most=3600),
        )
