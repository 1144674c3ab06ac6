"""Figure 2: searches with four beams, four of them side by side, against optimum's on one static batch of four."""

import statistics
from collections.abc import Sequence

from tokenizers import Tokenizer

from benchmarks.generation.clients import Script, ask_all, play
from benchmarks.generation.comparison import ratios_of, share_equal
from benchmarks.harness.export_process import ExportProcess
from benchmarks.harness.machine import Bystanders
from benchmarks.harness.report import Figure, spread
from benchmarks.seq2seq.jobs import NEW_TOKENS, Job, make_jobs
from benchmarks.seq2seq.models import Measured
from benchmarks.seq2seq.requests import request_of

NUM_BEAMS = 4
NUM_TEXTS = 4
TARGET = 1.0


def measure(port: int, measured: Measured, tokenizer: Tokenizer, optimum: ExportProcess, rounds: int) -> list[Figure]:
    """Return the figure; each round has texts of its own, which both sides get."""
    bystanders = Bystanders()
    jobs = make_jobs(tokenizer, NUM_TEXTS * rounds)
    ours, theirs, found, expected = list[float](), list[float](), list[str](), list[str]()
    for start in range(0, len(jobs), NUM_TEXTS):
        batch = jobs[start : start + NUM_TEXTS]
        elapsed_s, tokens = optimum.ask([[job.source_ids.tolist() for job in batch], NUM_BEAMS, NEW_TOKENS])
        theirs.append(NUM_TEXTS * NEW_TOKENS / elapsed_s)
        expected += [tokenizer.decode(text) for text in tokens]
        elapsed_s, texts = _search(port, measured.name, batch)
        ours.append(NUM_TEXTS * NEW_TOKENS / elapsed_s)
        found += texts
    ratios = ratios_of(ours, theirs)
    parts = [
        f"ratio     {spread(ratios)}",
        f"ours      {spread(ours, '.1f')} tokens/s of the texts that were found",
        f"optimum   {spread(theirs, '.1f')} tokens/s",
        f"{len(jobs)} texts, equal to optimum's: {share_equal(found, expected):.0%}",
        str(bystanders),
    ]
    title = f"2. {measured.title}: {NUM_TEXTS} searches of {NUM_BEAMS} beams against optimum's on one static batch"
    return [Figure(f"{measured.key}-beams", title, statistics.median(ratios), "", "at least", TARGET, parts)]


def _search(port: int, model: str, jobs: Sequence[Job]) -> tuple[float, list[str]]:
    """Ask for all texts at once, a client each; return the time to the last answer, and the texts."""
    requests = [request_of(job, model, num_beams=NUM_BEAMS) for job in jobs]
    asks = ask_all(requests)
    answers = play(port, [Script(asks) for _ in requests])
    elapsed_s = max(answer.ended_at for answer in answers) - min(answer.sent_at for answer in answers)
    return elapsed_s, [answer.text() for answer in answers]
