"""Figure 3: the memory of a worker after loading and under load, against the files that it serves."""

from tokenizers import Tokenizer

from benchmarks.generation.clients import Script, numbered, run_scripts
from benchmarks.generation.contest import NUM_CLIENTS
from benchmarks.generation.models import BenchModel
from benchmarks.harness.machine import pids_of, resident_mb
from benchmarks.harness.report import Figure
from benchmarks.seq2seq.beams import NUM_BEAMS, NUM_TEXTS
from benchmarks.seq2seq.jobs import make_jobs
from benchmarks.seq2seq.requests import request_of
from contracts.model_package.package import load_package

FILES = 1.3
EXTRA_MB = 200.0


def measure(port: int, bench: BenchModel, tokenizer: Tokenizer, num_loads: int) -> list[Figure]:
    """Return the figure of a worker that has run no job yet; it gets the same load several times."""
    rss_mb = [_rss_mb()]
    for _ in range(num_loads):
        _load(port, bench, tokenizer)
        rss_mb.append(_rss_mb())
    files = load_package(bench.package).manifest.files
    served = sum((bench.package / name).stat().st_size for name in files) / 1e6
    after = ", ".join(f"{each:.0f}" for each in rss_mb[1:])
    parts = [
        f"RSS; loaded {rss_mb[0]:.0f} MB, after each of {num_loads} loads {after} MB",
        f"each load: {NUM_CLIENTS} texts streamed side by side, then {NUM_TEXTS} searches of {NUM_BEAMS} beams",
        f"limit: {FILES:g} x {served:.0f} MB of served files + {EXTRA_MB:g} MB",
    ]
    title = f"3. {bench.title}: memory of a worker, the largest RSS after loading and after loads"
    limit = FILES * served + EXTRA_MB
    return [Figure(f"{bench.key}-memory", title, max(rss_mb), "MB", "at most", limit, parts)]


def _rss_mb() -> float:
    _, rss = resident_mb(pids_of("workers.seq2seq"))
    return rss


def _load(port: int, bench: BenchModel, tokenizer: Tokenizer) -> None:
    jobs = make_jobs(tokenizer, NUM_CLIENTS)
    crowd = [request_of(job, bench.name, streamed=True) for job in jobs]
    searches = [request_of(job, bench.name, num_beams=NUM_BEAMS) for job in jobs[:NUM_TEXTS]]
    for requests in (crowd, searches):
        queue = numbered(requests)
        for response in run_scripts(port, [Script(queue) for _ in requests]):
            response.text()  # raises if the request was refused
