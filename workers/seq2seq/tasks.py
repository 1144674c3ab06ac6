"""The tasks of encoder-decoders, over each kind of graph that can do them: job in, job out. Step 5 of a job."""

from contracts.model_package.manifest import GraphKind, Task
from contracts.model_package.package import ModelPackage
from workers.runtime.decoding.engine import DecodingEngine
from workers.runtime.decoding.served import Run, ServedWriter, engine_of
from workers.runtime.models.loading import WorkerSpec
from workers.runtime.settings import WorkerSettings
from workers.seq2seq.denoise import denoise
from workers.seq2seq.model import Seq2SeqModel, open_model
from workers.seq2seq.summarize import summarize
from workers.seq2seq.text2text import text2text
from workers.seq2seq.translate import translate

RUN: dict[str, Run[Seq2SeqModel]] = {
    "translate": translate,
    "summarize": summarize,
    "denoise": denoise,
    "text2text": text2text,
}
GRAPHS: dict[GraphKind, tuple[Task, ...]] = {
    "encoder-decoder-slots": ("translate", "summarize", "denoise", "text2text"),
    "encoder-decoder": ("translate", "summarize", "denoise", "text2text"),
    "recurrent": ("translate", "denoise", "text2text"),
    "text-autoencoder": ("denoise",),
}


def load_seq2seq(package: ModelPackage, settings: WorkerSettings, engine: DecodingEngine) -> ServedWriter[Seq2SeqModel]:
    """Load and warm one model. Raises as ``open_model`` and ``warm_up``."""
    model = open_model(package, settings)
    model.warm_up()
    return ServedWriter(model, engine, RUN[model.task])


SEQ2SEQ = WorkerSpec(
    "seq2seq", frozenset((graph, task) for graph, tasks in GRAPHS.items() for task in tasks), engine_of, load_seq2seq
)
"""Whatever reads a text and writes another."""
