"""Figure 4: the gain of 8-bit weights with one row and with four; the batch composition must not change a token."""

import statistics
from collections.abc import Sequence

from benchmarks.decoder.bare_loop import Steps, load_decoder, time_steps
from benchmarks.decoder.jobs import make_jobs
from benchmarks.generation.contest import NUM_CLIENTS
from benchmarks.generation.jobs import Job
from benchmarks.generation.models import BenchModel
from benchmarks.harness.machine import OtherLoad
from benchmarks.harness.report import BenchError, Figure, spread
from workers.decoder.model import DecoderModel

# With these operators in a bare loop, 8 bits were 2.4 to 2.5 times as fast with one row, 1.4 to 1.75 with four.
TARGETS = {1: 2.2, 4: 1.4}
"""By number of rows."""
PROMPT_TOKENS = 32


def measure(fp32: DecoderModel, bench: BenchModel, num_tokens: int, rounds: int) -> list[Figure]:
    """Return a figure for each number of rows. Both precisions alternate, and each step is timed by itself."""
    int8 = load_decoder(bench.int8_package)
    jobs = make_jobs(fp32.tokenizer, NUM_CLIENTS, (PROMPT_TOKENS, PROMPT_TOKENS), (num_tokens, num_tokens))
    found = []
    for number, (rows, target) in zip("ab", TARGETS.items(), strict=True):
        other_load = OtherLoad()
        runs = [(time_steps(fp32, jobs[:rows]), time_steps(int8, jobs[:rows])) for _ in range(rounds)]
        ratios = [_rate(eight) / _rate(full) for full, eight in runs]
        whole = [_rate_with_prompts(eight) / _rate_with_prompts(full) for full, eight in runs]
        parts = [
            f"ratio     {spread(ratios)}; with the reading of the prompts {statistics.median(whole):.2f}",
            f"8 bit     {spread([_rate(eight) for _, eight in runs], '.1f')} tokens/s",
            f"fp32      {spread([_rate(full) for full, _ in runs], '.1f')} tokens/s",
            f"prompts of {PROMPT_TOKENS} tokens, {num_tokens} new; median steps in process; {other_load}",
        ]
        title = f"4{number}. {bench.title}: weights in 8 bits against fp32, rows side by side: {rows}"
        ratio = statistics.median(ratios)
        found.append(Figure(f"{bench.key}-int8-{rows}", title, ratio, "", "at least", target, parts))
    check_isolation(int8, jobs)
    return found


def check_isolation(model: DecoderModel, jobs: Sequence[Job]) -> None:
    """Raise BenchError unless the first jobs have the same tokens alone, in a small batch and in a large one."""
    in_large_batch = time_steps(model, jobs).tokens
    few = max(TARGETS)
    in_small_batch = time_steps(model, jobs[:few]).tokens
    isolated = [time_steps(model, [job]).tokens[0] for job in jobs[:few]]
    if not isolated == in_small_batch == in_large_batch[:few]:
        raise BenchError(f"{model.name}: the tokens of a text depend on the other texts of its batch")


def _rate(steps: Steps) -> float:
    # The median step: the mean would contain every interruption by other processes.
    return len(steps.tokens) / statistics.median(steps.step_s)


def _rate_with_prompts(steps: Steps) -> float:
    return sum(map(len, steps.tokens)) / (steps.prefill_s + sum(steps.step_s))
