"""The decoder's one task, over each kind of graph that can do it: job in, job out. Step 5 on the path of a job."""

from contracts.job_store import JobStore
from contracts.jobs import Answer, Claim
from workers.decoder.generate import generate
from workers.decoder.model import DecoderModel
from workers.runtime.decoding.engine import DecodingEngine
from workers.runtime.decoding.publisher import Publisher
from workers.runtime.decoding.work import DecodingWork
from workers.runtime.harness import Attempt
from workers.runtime.loading import Serving
from workers.runtime.manifest import GraphKind
from workers.runtime.model_package import ModelPackage
from workers.runtime.settings import WorkerSettings

GRAPHS: tuple[GraphKind, ...] = ("decoder-slots", "decoder-concat", "decoder-memory")


class ServedDecoder:
    """A decoder that answers jobs through the engine."""

    def __init__(self, model: DecoderModel, engine: DecodingEngine) -> None:
        self.name = model.name
        self.task: str = model.task
        self.card = model.card
        self._model = model
        self._engine = engine

    def answer(self, claim: Claim, attempt: Attempt) -> Answer:
        """Run one attempt. Raises as ``generate``."""
        return generate(self._model, claim.id, claim.request, DecodingWork(self._engine, attempt))


def load_decoder(package: ModelPackage, settings: WorkerSettings, engine: DecodingEngine) -> ServedDecoder:
    """Load and warm one decoder. Raises as ``DecoderModel``."""
    model = DecoderModel(package, settings)
    model.warm_up()
    engine.know(model)
    return ServedDecoder(model, engine)


def _engine(store: JobStore) -> DecodingEngine:
    return DecodingEngine(Publisher(store))


DECODER = Serving("decoder", frozenset((graph, "generate") for graph in GRAPHS), _engine, load_decoder)
"""Whatever continues a text: completion, dialogue, code, verse."""
