"""How the time of a decode step is spent; ``benchmarks.generation.step_profile`` measures it in this process."""

from benchmarks.generation.contest import NUM_CLIENTS
from benchmarks.generation.models import BenchModel
from benchmarks.generation.step_profile import Split, run_streamed_jobs
from benchmarks.harness.stack import Stack
from benchmarks.seq2seq.jobs import make_jobs
from benchmarks.seq2seq.requests import body_of
from contracts.machine import available_cpus
from contracts.model_package.package import load_package
from contracts.settings import StoreSettings
from workers.runtime.settings import WorkerSettings
from workers.seq2seq.model import open_model
from workers.seq2seq.tasks import HANDLERS


def split(stack: Stack, bench: BenchModel) -> Split:
    """Return the split of steps of 16 rows, on a stack with a store and without a worker."""
    settings = WorkerSettings(StoreSettings(), threads=available_cpus())
    model = open_model(load_package(bench.package), settings)
    model.warm_up()
    # The first jobs of the clients, so that the split belongs to figure 1.
    bodies = [body_of(job) for job in make_jobs(model.tokenizer, NUM_CLIENTS)]
    _, calls = run_streamed_jobs(stack.client, model, HANDLERS["text2text"], bodies)
    return calls.split(NUM_CLIENTS)
