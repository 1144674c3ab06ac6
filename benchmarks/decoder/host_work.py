"""Figure 3: host work between two decode steps, as a share of the time from step to step.

``benchmarks.generation.step_profile`` measures it.
"""

import statistics

from benchmarks.decoder.bare_loop import time_steps
from benchmarks.decoder.jobs import make_jobs
from benchmarks.generation.comparison import share_equal
from benchmarks.generation.contest import NUM_CLIENTS
from benchmarks.generation.models import BenchModel
from benchmarks.generation.step_profile import run_streamed_jobs
from benchmarks.harness.machine import OtherLoad
from benchmarks.harness.report import Figure
from benchmarks.harness.stack import Stack
from workers.decoder.model import DecoderModel
from workers.decoder.tasks import GENERATE

TARGET_PERCENT = 5.0
PROMPT_TOKENS = 64


def measure(stack: Stack, model: DecoderModel, bench: BenchModel, num_tokens: int) -> list[Figure]:
    """Return the figure, measured on a stack with a store and without a worker."""
    jobs = make_jobs(model.tokenizer, NUM_CLIENTS, (PROMPT_TOKENS, PROMPT_TOKENS), (num_tokens, num_tokens))
    other_load = OtherLoad()
    bare = time_steps(model, jobs)
    bodies = [{"inputs": job.text, "parameters": {"max_new_tokens": job.max_new_tokens}} for job in jobs]
    texts, calls = run_streamed_jobs(stack.client, model, GENERATE, bodies)
    # Work that was skipped would look like a fast engine.
    share_equal(texts, [model.tokenizer.decode(tokens) for tokens in bare.tokens])
    split = calls.split(NUM_CLIENTS)
    parts = [
        str(split),
        f"a step of the bare loop, with binding and sampling: {1000 * statistics.median(bare.step_s):.2f} ms",
        f"{NUM_CLIENTS} rows, streamed; {other_load}",
    ]
    title = f"3. {bench.title}: host work between the steps of {NUM_CLIENTS} rows, share of the time of a step"
    name = f"{bench.key}-host-work"
    return [Figure(name, title, split.host_percent, "%", "at most", TARGET_PERCENT, parts)]
