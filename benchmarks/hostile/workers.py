"""Texts that cost a worker much to cut, much memory to hold, or work for a client that has left."""

import json
import time
from collections.abc import Iterator
from functools import partial

from benchmarks.encoder.memory import STARTERS
from benchmarks.harness.machine import cpu_seconds, pids_of, resident_mb
from benchmarks.harness.report import BenchError
from benchmarks.harness.stack import MINILM, Stack
from benchmarks.hostile.client import Client
from benchmarks.hostile.observer import Observer, Request
from benchmarks.hostile.report import Cost, Limits, Row

CUT = {"truncate": "right"}
TEXT_LIMITS = Limits(delay_ms=500, memory_mb=500)
QUIET_S, QUIET_CPU_S = 2.0, 0.1
"""A worker that uses less CPU time than the second in the time of the first has nothing to do."""


def measure_texts(stack: Stack, scale: float) -> Iterator[Row]:
    """Yield a row for each text that is cut. The other client has a short text for the same worker."""
    stack.start_worker(MINILM.parent, [MINILM.name])
    port = stack.start_gateway()
    client = Client(port)
    observer = Observer(("workers.encoder",), Request(port, "/v1/embed", {"model": "minilm", "inputs": "It rains."}))
    million = int(1_000_000 * scale)
    texts = {
        f"{million:,} characters without a space": "a" * million,
        f"{4 * million:,} times !?": "!?" * (4 * million - 100),
        f"{million:,} combining marks": "\u0301" * million,
    }
    for case, text in texts.items():
        body = json.dumps({"model": "minilm", "inputs": text, "parameters": CUT}, ensure_ascii=False).encode()
        attack = partial(client.outcome, "POST", "/v1/embed", body)
        yield observer.run(f"{case}, /v1/embed, truncate right", attack, TEXT_LIMITS)
    name = "starter-generate"
    stack.start_worker(STARTERS, [name], "decoder")
    stack.wait_until_known(port, [name])
    short = {"max_new_tokens": 1, **CUT}
    other = Request(port, "/v1/generate", {"model": name, "inputs": "It rains.", "parameters": short})
    body = json.dumps({"model": name, "inputs": "a" * million, "parameters": short}).encode()
    case = f"{million:,} characters without a space, /v1/generate, truncate right"
    attack = partial(client.outcome, "POST", "/v1/generate", body)
    yield Observer(("workers.decoder",), other).run(case, attack, TEXT_LIMITS)


def measure_memory(stack: Stack, scale: float) -> Iterator[Row]:
    """Yield a row for each crowd of large jobs. The other client asks the gateway only, since the worker is busy."""
    stack.start_worker(MINILM.parent, [MINILM.name])
    port = stack.start_gateway()
    client, observer = Client(port), Observer(("workers.encoder",), Request(port))
    for full, num_bytes in ((70, 800_000), (40, 2_800_000)):
        number = max(2, int(full * scale))
        case = f"{number} encoder jobs of {num_bytes / 1e6:g} MB"
        limits = Limits(delay_ms=200, memory_mb=1000)
        yield observer.run(case, partial(_crowd, client, number, num_bytes), limits)


def measure_long_context(stack: Stack) -> Iterator[Row]:
    """Yield rows for a model of 9 MB whose attention over all of its positions takes gigabytes."""
    name = "bench-modernbert"
    if not (MINILM.parent / name / "manifest.toml").is_file():
        raise BenchError(f"there is no model package {name} in {MINILM.parent}: run `make hostile`")
    stack.start_worker(MINILM.parent, [name])
    worker = pids_of("workers.encoder")
    cost = Cost(cpu_seconds(worker), 0, 0, resident_mb(worker)[1])
    yield Row("a model of 8,192 positions, ready", "memory is the whole RSS", cost, Limits(memory_mb=500))
    port = stack.start_gateway()
    client, observer = Client(port), Observer(("workers.encoder",), Request(port))
    body = json.dumps({"model": name, "inputs": "word and " * 8192, "parameters": CUT}).encode()
    attack = partial(client.outcome, "POST", "/v1/embed", body)
    yield observer.run("a text of its longest length", attack, Limits(delay_ms=200))
    cost = Cost(0, 0, 0, resident_mb(worker)[1])
    yield Row("the same model, after that text", "memory is the whole RSS", cost, Limits(memory_mb=500))


def measure_leaving(stack: Stack, scale: float) -> Iterator[Row]:
    """Yield a row for a client that leaves while it waits."""
    name = "starter-translate"
    stack.start_worker(STARTERS, [name], "seq2seq")
    port = stack.start_gateway()
    client, observer = Client(port), Observer(("workers.seq2seq",), Request(port))
    text = "The train leaves at half past seven. " * int(12_000 * scale)
    body = json.dumps({"q": text, "source": "en", "target": "de"}).encode()
    case = f"a client of /translate leaves; {len(text):,} characters"
    yield observer.run(case, lambda: _leave(client, body), Limits(delay_ms=200, cpu_s=4.0))


def _crowd(client: Client, number: int, num_bytes: int) -> str:
    text = ("word and " * (num_bytes // 9 + 1))[:num_bytes]
    document = {"task": "embed", "model": "minilm", "inputs": text, "parameters": CUT}
    ends = [client.end_of(job) for job in [client.submit(document) for _ in range(number)]]
    return ", ".join(f"{ends.count(status)} {status}" for status in sorted(set(ends)))


def _leave(client: Client, body: bytes) -> str:
    head = f"POST /translate HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    connection = client.open(head, body)
    time.sleep(1.0)
    connection.close()
    pids, started = pids_of("workers.seq2seq"), time.monotonic()
    while time.monotonic() - started < 120:
        before = cpu_seconds(pids)
        time.sleep(QUIET_S)
        if cpu_seconds(pids) - before < QUIET_CPU_S:
            return f"worker at rest {time.monotonic() - started - QUIET_S:.0f} s after the client had left"
    raise BenchError("the worker never came to rest")
