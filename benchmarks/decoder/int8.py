"""Figure 4: what weights in 8 bits bring, one row alone and four side by side, and that company changes no token."""

import statistics
from collections.abc import Sequence

from benchmarks.decoder.bare_loop import Steps, load_decoder, time_steps
from benchmarks.decoder.jobs import Job, make_jobs
from benchmarks.decoder.models import Measured
from benchmarks.generation.contest import NUM_CLIENTS
from benchmarks.harness.machine import Bystanders
from benchmarks.harness.report import BenchError, Figure, spread
from workers.decoder.model import DecoderModel

TARGETS = {1: 2.2, 4: 1.4}
"""By the number of rows."""
PROMPT_TOKENS = 32


def measure(fp32: DecoderModel, measured: Measured, num_tokens: int, rounds: int) -> list[Figure]:
    """Return a figure for each number of rows; both precisions take turns, and each step is timed by itself."""
    int8 = load_decoder(measured.int8)
    lengths = {"prompt_tokens": (PROMPT_TOKENS, PROMPT_TOKENS), "new_tokens": (num_tokens, num_tokens)}
    jobs = make_jobs(fp32.tokenizer, NUM_CLIENTS, **lengths)
    found = []
    for number, (rows, target) in zip("ab", TARGETS.items(), strict=True):
        bystanders = Bystanders()
        runs = [(time_steps(fp32, jobs[:rows]), time_steps(int8, jobs[:rows])) for _ in range(rounds)]
        ratios = [_rate(eight) / _rate(full) for full, eight in runs]
        whole = [_rate_with_prompts(eight) / _rate_with_prompts(full) for full, eight in runs]
        parts = [
            f"ratio     {spread(ratios)}; with the reading of the prompts {statistics.median(whole):.2f}",
            f"8 bit     {spread([_rate(eight) for _, eight in runs], '.1f')} tokens/s",
            f"fp32      {spread([_rate(full) for full, _ in runs], '.1f')} tokens/s",
            f"prompts of {PROMPT_TOKENS} tokens, {num_tokens} new; median steps in process; {bystanders}",
        ]
        title = f"4{number}. {measured.title}: weights in 8 bits against fp32, rows side by side: {rows}"
        ratio = statistics.median(ratios)
        found.append(Figure(f"{measured.key}-int8-{rows}", title, ratio, "", "at least", target, parts))
    check_company(int8, jobs)
    return found


def check_company(model: DecoderModel, jobs: Sequence[Job]) -> None:
    """Raise BenchError unless the first jobs' tokens are the same alone and beside all others."""
    together = time_steps(model, jobs).tokens
    few = max(TARGETS)
    beside_few = time_steps(model, jobs[:few]).tokens
    isolated = [time_steps(model, [job]).tokens[0] for job in jobs[:few]]
    if not isolated == beside_few == together[:few]:
        raise BenchError(f"{model.name}: a text's tokens depend on its company")


def _rate(steps: Steps) -> float:
    return len(steps.tokens) / statistics.median(steps.step_s)


def _rate_with_prompts(steps: Steps) -> float:
    return sum(map(len, steps.tokens)) / (steps.prefill_s + sum(steps.step_s))
