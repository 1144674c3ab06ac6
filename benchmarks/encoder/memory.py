"""Figure 4, first part: the memory of gateway and worker after load."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.encoder.over_http import CLIENTS_OF_ONE, embed_request
from benchmarks.harness.http_clients import drive, post
from benchmarks.harness.machine import pids_of, resident_mb
from benchmarks.harness.report import Figure
from benchmarks.harness.stack import MINILM, ROOT, Stack
from contracts.model_package.package import find_packages, load_package
from workers.encoder.model import GRAPH

GATEWAY_MB, GATEWAY_PROCESS_MB = 60.0, 40.0
WORKER_MB = 160.0
WORKER_GRAPHS = 1.3
STARTERS = ROOT / "onnx_models" / "packages"


def measure(stack: Stack, port: int, texts: Sequence[str]) -> list[Figure]:
    """Return the figures of the processes after they served all kinds of requests."""
    stack.stop("encoder")
    stack.start_worker(MINILM.parent, [MINILM.name])  # as it is started in production, with nothing around its calls
    one = [embed_request(text) for text in texts]
    drive(port, one, CLIENTS_OF_ONE)
    drive(port, [embed_request(list(texts))], 1)
    figures = [_worker("MiniLM", [MINILM]), _gateway()]
    # A worker of its own: memory that the first models used would count for the starters.
    if starters := _encoders(STARTERS):
        stack.stop("encoder")
        stack.start_worker(STARTERS, list(starters))
        stack.wait_until_known(port, list(starters))
        for name, package in starters.items():
            body = {"model": name, "parameters": {"truncate": "right"}}
            task = load_package(package).manifest.task.name
            drive(port, [post(f"/v1/{task}", {**body, "inputs": text}) for text in texts], CLIENTS_OF_ONE)
        figures.insert(1, _worker(f"{len(starters)} starter models", list(starters.values())))
    return figures


def _encoders(folder: Path) -> dict[str, Path]:
    """Return the packages in a folder that an encoder worker serves."""
    packages = find_packages(folder).items()
    return {name: path for name, path in packages if load_package(path).manifest.family == "encoder"}


def _worker(models: str, packages: Sequence[Path]) -> Figure:
    pss, rss = resident_mb(pids_of("workers.encoder"))
    graphs = sum((package / GRAPH).stat().st_size for package in packages) / 1e6
    limit = WORKER_MB + WORKER_GRAPHS * graphs
    parts = [f"RSS; PSS {pss:.1f} MB; limit: {WORKER_MB:g} MB + {WORKER_GRAPHS:g} x {graphs:.1f} MB of graphs"]
    name = "memory-" + models.lower().replace(" ", "-")
    return Figure(name, f"4. Memory of an encoder worker with {models}, after load", rss, "MB", "at most", limit, parts)


def _gateway() -> Figure:
    pids = pids_of("services.gateway")
    # The first is gunicorn's arbiter; the others serve requests, and share most of its pages after the fork, which the
    # sum of their RSS would count for each.
    limit = GATEWAY_MB + GATEWAY_PROCESS_MB * (len(pids) - 1)
    pss, rss = resident_mb(pids)
    parts = [
        f"PSS of {len(pids)} processes; the sum of their RSS, which counts again what they share: {rss:.1f} MB; "
        f"limit: {GATEWAY_MB:g} MB + {GATEWAY_PROCESS_MB:g} MB for each that serves requests"
    ]
    return Figure("memory-gateway", "4. Memory of a gateway, after load", pss, "MB", "at most", limit, parts)
