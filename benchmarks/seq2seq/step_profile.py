"""Where the time of a step goes, with the worker's own code in this process: `benchmarks.generation.step_profile`."""

from functools import partial

from benchmarks.generation.contest import NUM_CLIENTS
from benchmarks.generation.step_profile import Split, Task, write_side_by_side
from benchmarks.harness.stack import Stack
from benchmarks.seq2seq.jobs import make_jobs
from benchmarks.seq2seq.models import Measured
from benchmarks.seq2seq.requests import body_of
from contracts.model_package.package import load_package
from contracts.settings import StoreSettings
from workers.runtime.process.cpu import available_cpus
from workers.runtime.settings import WorkerSettings
from workers.seq2seq.model import open_model
from workers.seq2seq.pipelines.text2text import Text2TextPipeline


def split(stack: Stack, measured: Measured) -> Split:
    """Return the split of steps of 16 rows, on a stack whose store is there and whose workers are not."""
    settings = WorkerSettings(StoreSettings(), threads=available_cpus())
    model = open_model(load_package(measured.package), settings)
    model.warm_up()
    bodies = [body_of(job) for job in make_jobs(model.tokenizer, NUM_CLIENTS)]
    task = Task("text2text", model.name, model.cache, partial(Text2TextPipeline(), model))
    _, calls = write_side_by_side(stack.client, task, bodies)
    return calls.split(NUM_CLIENTS)
