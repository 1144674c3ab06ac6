"""What the seq2seq worker serves: the pipeline of each of its tasks. Step 5 on the path of a job."""

from typing import Any

from contracts.model_package.package import ModelPackage
from contracts.task_names import TaskName
from contracts.tasks import kinds_of
from workers.runtime.decoding.engine import DecodingEngine
from workers.runtime.decoding.served import make_engine, serve
from workers.runtime.decoding.work import DecodingWork
from workers.runtime.models.loading import WorkerSpec
from workers.runtime.models.served import ServedModel, TaskHandler
from workers.runtime.price.measuring import measured
from workers.runtime.settings import WorkerSettings
from workers.seq2seq.model import Seq2SeqModel, open_model
from workers.seq2seq.pipelines.denoise import DenoisePipeline
from workers.seq2seq.pipelines.pipeline import Pipeline
from workers.seq2seq.pipelines.summarize import SummarizationPipeline
from workers.seq2seq.pipelines.text2text import Text2TextPipeline
from workers.seq2seq.pipelines.translate import TranslationPipeline

PIPELINES: dict[TaskName, Pipeline[Any]] = {
    "translate": TranslationPipeline(),
    "summarize": SummarizationPipeline(),
    "denoise": DenoisePipeline(),
    "text2text": Text2TextPipeline(),
}
HANDLERS: dict[TaskName, TaskHandler[Seq2SeqModel, Any, DecodingWork]] = {
    name: TaskHandler(pipeline.request_type, pipeline, is_quick=True) for name, pipeline in PIPELINES.items()
}


def load_seq2seq(package: ModelPackage, settings: WorkerSettings, engine: DecodingEngine) -> ServedModel:
    """Load and warm up one model. Raises as ``open_model`` and ``warm_up``."""
    model = open_model(package, settings)
    model.warm_up()
    return serve(
        model, model.card(), HANDLERS[model.task], engine, settings, profile=measured(model.name, model.measure)
    )


SEQ2SEQ = WorkerSpec("seq2seq", kinds_of("seq2seq"), make_engine, load_seq2seq)
"""Encoder-decoders: models that read a text and generate another one."""
