"""Figure 5: the peak memory of generating sixteen long texts, against the sizes of graph and cache."""

import json
import subprocess
import sys

import numpy as np
import onnxruntime

from benchmarks.generation.contest import NUM_CLIENTS
from benchmarks.generation.models import BenchModel
from benchmarks.harness.report import BenchError, Figure
from benchmarks.harness.stack import ROOT
from contracts.model_package.package import load_package

NUM_TOKENS = 900
EXTRA_MB = 300.0
# The rest of a text is its prompt: the cache holds the same for both, and reading a prompt is faster.
NEW_TOKENS = 16
TIMEOUT_S = 600


def measure(bench: BenchModel, num_tokens: int = NUM_TOKENS) -> list[Figure]:
    """Return the figure, measured in a separate process that generates all texts twice.

    If something grew with every text, the second peak would be higher than the first.
    """
    sizes = [NUM_CLIENTS, num_tokens - NEW_TOKENS, NEW_TOKENS]
    command = [sys.executable, "-m", "benchmarks.decoder.memory_probe", str(bench.package), *map(str, sizes)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if done.returncode:
        raise BenchError(f"the process that generates long texts failed:\n{done.stderr[-2000:]}")
    found = {name: f"{held:.0f} MB" for name, held in json.loads(done.stdout).items()}
    peak = json.loads(done.stdout)["twice"]
    graph, cache = _graph_mb(bench), NUM_CLIENTS * num_tokens * _token_bytes(bench) / 1e6
    parts = [
        f"peak after {NUM_CLIENTS} texts of {num_tokens} tokens {found['once']}, after as many again {found['twice']}",
        f"without a model {found['empty']}, loaded {found['loaded']}, peak while loading {found['loading']}",
        f"limit: graph {graph:.0f} MB + cache {cache:.0f} MB of these texts + {EXTRA_MB:g} MB",
    ]
    title = f"5. {bench.title}: peak memory of a process that generates {NUM_CLIENTS} rows of {num_tokens} tokens"
    limit = graph + cache + EXTRA_MB
    return [Figure(f"{bench.key}-memory", title, peak, "MB", "at most", limit, parts)]


def _graph_mb(bench: BenchModel) -> float:
    files = load_package(bench.package).path.glob("model.onnx*")
    return sum(path.stat().st_size for path in files) / 1e6


def _token_bytes(bench: BenchModel) -> int:
    """Return the bytes of one token in the cache of all layers, according to the inputs of the graph."""
    options = onnxruntime.SessionOptions()
    # Only the inputs are read, so the graph need not be optimized, which takes memory and time.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(bench.package / "model.onnx", options)
    caches = [node for node in session.get_inputs() if node.name.startswith("past_key_values")]
    sizes = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
    return sum(node.shape[1] * node.shape[3] * np.dtype(sizes[node.type]).itemsize for node in caches)
