"""The tasks of encoder-decoders, over each kind of graph that can do them: job in, job out. Step 5 of a job."""

from collections.abc import Callable

from contracts.job_store import JobStore
from contracts.jobs import Answer, Claim
from workers.runtime.decoding.engine import DecodingEngine
from workers.runtime.decoding.publisher import Publisher
from workers.runtime.decoding.work import DecodingWork
from workers.runtime.harness import Attempt
from workers.runtime.loading import Serving
from workers.runtime.manifest import GraphKind, Task
from workers.runtime.model_package import ModelPackage
from workers.runtime.settings import WorkerSettings
from workers.seq2seq.denoise import denoise
from workers.seq2seq.model import Seq2SeqModel, open_model
from workers.seq2seq.summarize import summarize
from workers.seq2seq.text2text import text2text
from workers.seq2seq.translate import translate

Run = Callable[[Seq2SeqModel, str, bytes, DecodingWork], Answer]

RUN: dict[str, Run] = {"translate": translate, "summarize": summarize, "denoise": denoise, "text2text": text2text}
GRAPHS: dict[GraphKind, tuple[Task, ...]] = {
    "encoder-decoder-slots": ("translate", "summarize", "denoise", "text2text"),
    "encoder-decoder": ("translate", "summarize", "denoise", "text2text"),
    "recurrent": ("translate", "denoise", "text2text"),
    "text-autoencoder": ("denoise",),
}


class ServedSeq2Seq:
    """An encoder-decoder that answers jobs through the engine."""

    def __init__(self, model: Seq2SeqModel, engine: DecodingEngine) -> None:
        self.name = model.name
        self.task: str = model.task
        self.card = model.card
        self._model = model
        self._engine = engine

    def answer(self, claim: Claim, attempt: Attempt) -> Answer:
        """Run one attempt. Raises as the task's function."""
        return RUN[self.task](self._model, claim.id, claim.request, DecodingWork(self._engine, attempt))


def load_seq2seq(package: ModelPackage, settings: WorkerSettings, engine: DecodingEngine) -> ServedSeq2Seq:
    """Load and warm one model. Raises as ``open_model`` and ``warm_up``."""
    model = open_model(package, settings)
    model.warm_up()
    engine.know(model)
    return ServedSeq2Seq(model, engine)


def _engine(store: JobStore) -> DecodingEngine:
    return DecodingEngine(Publisher(store))


SEQ2SEQ = Serving(
    "seq2seq", frozenset((graph, task) for graph, tasks in GRAPHS.items() for task in tasks), _engine, load_seq2seq
)
"""Whatever reads a text and writes another."""
