"""The decoder worker's task, ``generate``, for each kind of graph that supports it. Step 5 on the path of a job."""

from contracts.generation import GenerateRequest
from contracts.model_package.package import ModelPackage
from contracts.tasks import kinds_of
from workers.decoder.generate import generate
from workers.decoder.model import DecoderModel
from workers.runtime.decoding.engine import DecodingEngine
from workers.runtime.decoding.served import make_engine, serve
from workers.runtime.models.loading import WorkerSpec
from workers.runtime.models.served import ServedModel, TaskHandler
from workers.runtime.price.measuring import measured
from workers.runtime.settings import WorkerSettings

GENERATE = TaskHandler(GenerateRequest, generate, is_quick=True)


def load_decoder(package: ModelPackage, settings: WorkerSettings, engine: DecodingEngine) -> ServedModel:
    """Load and warm up one decoder.

    Raises:
        PackageError: as ``DecoderModel``.
        DeviceError: as ``DecoderModel``.
    """
    model = DecoderModel(package, settings)
    model.warm_up()
    return serve(model, model.card(), GENERATE, engine, settings, profile=measured(model.name, model.measure))


DECODER = WorkerSpec("decoder", kinds_of("decoder"), make_engine, load_decoder)
