"""Figure 3: what the decoding loop does between two calls of the graph, as a share of the time from call to call.

How it is measured: `benchmarks.generation.step_profile`.
"""

import statistics
from functools import partial

from benchmarks.decoder.bare_loop import time_steps
from benchmarks.decoder.jobs import make_jobs
from benchmarks.decoder.models import Measured
from benchmarks.generation.comparison import share_equal
from benchmarks.generation.contest import NUM_CLIENTS
from benchmarks.generation.step_profile import Task, write_side_by_side
from benchmarks.harness.machine import Bystanders
from benchmarks.harness.report import Figure
from benchmarks.harness.stack import Stack
from workers.decoder.generate import generate
from workers.decoder.model import DecoderModel

TARGET_PERCENT = 5.0
PROMPT_TOKENS = 64


def measure(stack: Stack, model: DecoderModel, measured: Measured, num_tokens: int) -> list[Figure]:
    """Return the figure, measured on a stack whose store is there and whose workers are not."""
    lengths = {"prompt_tokens": (PROMPT_TOKENS, PROMPT_TOKENS), "new_tokens": (num_tokens, num_tokens)}
    jobs = make_jobs(model.tokenizer, NUM_CLIENTS, **lengths)
    bystanders = Bystanders()
    bare = time_steps(model, jobs)
    bodies = [{"inputs": job.prompt, "parameters": {"max_new_tokens": job.max_new_tokens}} for job in jobs]
    task = Task("generate", model.name, model.cache, partial(generate, model))
    texts, calls = write_side_by_side(stack.client, task, bodies)
    share_equal(texts, [model.tokenizer.decode(tokens) for tokens in bare.tokens])
    split = calls.split(NUM_CLIENTS)
    parts = [
        str(split),
        f"a step of the bare loop, binding and choosing included: {1000 * statistics.median(bare.step_s):.2f} ms",
        f"{NUM_CLIENTS} rows, streamed; {bystanders}",
    ]
    title = f"3. {measured.title}: host work between the steps of {NUM_CLIENTS} rows, share of the time of a step"
    name = f"{measured.key}-host-work"
    return [Figure(name, title, split.host_percent, "%", "at most", TARGET_PERCENT, parts)]
