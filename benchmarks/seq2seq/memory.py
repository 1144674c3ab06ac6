"""Figure 3: what a worker holds of memory when it has loaded, and after load, against the files that it serves."""

from tokenizers import Tokenizer

from benchmarks.generation.clients import Script, ask_all, play
from benchmarks.generation.contest import NUM_CLIENTS
from benchmarks.harness.machine import pids_of, resident_mb
from benchmarks.harness.report import Figure
from benchmarks.seq2seq.beams import NUM_BEAMS, NUM_TEXTS
from benchmarks.seq2seq.jobs import make_jobs
from benchmarks.seq2seq.models import Measured
from benchmarks.seq2seq.requests import request_of
from contracts.model_package.package import load_package

FILES = 1.3
EXTRA_MB = 200.0


def measure(port: int, measured: Measured, tokenizer: Tokenizer, num_loads: int) -> list[Figure]:
    """Return the figure, for a worker that has answered nothing yet; it gets the same load several times."""
    held = [_held_mb()]
    for _ in range(num_loads):
        _load(port, measured, tokenizer)
        held.append(_held_mb())
    files = load_package(measured.package).manifest.files
    served = sum((measured.package / name).stat().st_size for name in files) / 1e6
    after = ", ".join(f"{each:.0f}" for each in held[1:])
    parts = [
        f"RSS; loaded {held[0]:.0f} MB, after each of {num_loads} loads {after} MB",
        f"each load: {NUM_CLIENTS} texts streamed side by side, then {NUM_TEXTS} searches of {NUM_BEAMS} beams",
        f"limit: {FILES:g} x {served:.0f} MB of served files + {EXTRA_MB:g} MB",
    ]
    title = f"3. {measured.title}: memory of a worker, the most of what it held after loading and after loads"
    limit = FILES * served + EXTRA_MB
    return [Figure(f"{measured.key}-memory", title, max(held), "MB", "at most", limit, parts)]


def _held_mb() -> float:
    _, rss = resident_mb(pids_of("workers.seq2seq"))
    return rss


def _load(port: int, measured: Measured, tokenizer: Tokenizer) -> None:
    jobs = make_jobs(tokenizer, NUM_CLIENTS)
    crowd = [request_of(job, measured.name, streamed=True) for job in jobs]
    searches = [request_of(job, measured.name, num_beams=NUM_BEAMS) for job in jobs[:NUM_TEXTS]]
    for requests in (crowd, searches):
        asks = ask_all(requests)
        for answer in play(port, [Script(asks) for _ in requests]):
            answer.text()  # raises if it was refused
