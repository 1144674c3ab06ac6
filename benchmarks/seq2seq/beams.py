"""Figure 2: four concurrent searches with four beams, against optimum's on one static batch of four."""

import statistics
from collections.abc import Sequence

from tokenizers import Tokenizer

from benchmarks.generation.clients import Script, numbered, run_scripts
from benchmarks.generation.comparison import ratios_of, share_equal
from benchmarks.generation.jobs import Job
from benchmarks.generation.models import BenchModel
from benchmarks.harness.export_process import ExportProcess
from benchmarks.harness.machine import OtherLoad
from benchmarks.harness.report import Figure, spread
from benchmarks.seq2seq.jobs import NEW_TOKENS, make_jobs
from benchmarks.seq2seq.requests import request_of

NUM_BEAMS = 4
NUM_TEXTS = 4
TARGET = 1.0


def measure(port: int, bench: BenchModel, tokenizer: Tokenizer, optimum: ExportProcess, rounds: int) -> list[Figure]:
    """Return the figure; each round has other texts, which both sides get."""
    other_load = OtherLoad()
    jobs = make_jobs(tokenizer, NUM_TEXTS * rounds)
    ours, theirs, found, expected = list[float](), list[float](), list[str](), list[str]()
    for start in range(0, len(jobs), NUM_TEXTS):
        batch = jobs[start : start + NUM_TEXTS]
        elapsed_s, tokens = optimum.ask([[job.input_ids.tolist() for job in batch], NUM_BEAMS, NEW_TOKENS])
        theirs.append(NUM_TEXTS * NEW_TOKENS / elapsed_s)
        expected += [tokenizer.decode(text) for text in tokens]
        elapsed_s, texts = _search(port, bench.name, batch)
        ours.append(NUM_TEXTS * NEW_TOKENS / elapsed_s)
        found += texts
    ratios = ratios_of(ours, theirs)
    parts = [
        f"ratio     {spread(ratios)}",
        f"ours      {spread(ours, '.1f')} tokens/s of the texts that were found",
        f"optimum   {spread(theirs, '.1f')} tokens/s",
        f"{len(jobs)} texts, equal to optimum's: {share_equal(found, expected):.0%}",
        str(other_load),
    ]
    title = f"2. {bench.title}: {NUM_TEXTS} searches of {NUM_BEAMS} beams against optimum's on one static batch"
    return [Figure(f"{bench.key}-beams", title, statistics.median(ratios), "", "at least", TARGET, parts)]


def _search(port: int, model: str, jobs: Sequence[Job]) -> tuple[float, list[str]]:
    """Request all texts at once, each by its own client; return the time to the last response, and the texts."""
    requests = [request_of(job, model, num_beams=NUM_BEAMS) for job in jobs]
    queue = numbered(requests)
    found = run_scripts(port, [Script(queue) for _ in requests])
    elapsed_s = max(response.ended_at for response in found) - min(response.sent_at for response in found)
    return elapsed_s, [response.text() for response in found]
