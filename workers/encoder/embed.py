"""Embed: texts to vectors."""

import msgspec
import numpy as np
import orjson

from contracts.errors import InvalidRequest
from contracts.jobs import Answer
from contracts.model_package.tasks import Embed, EmbedTask
from contracts.tasks import EmbedParameters, EmbedRequest
from workers.encoder.model import EncoderModel
from workers.encoder.pooling import Floats, normalized
from workers.runtime.batching.work import Work


def embed(model: EncoderModel, request: bytes, work: Work) -> Answer:
    """Answer one embed job: a list of floats for one text, a list of such lists for a list of texts."""
    job = msgspec.json.decode(request, type=EmbedRequest)
    table = model.manifest.task_as(EmbedTask).embed
    _check(job.parameters, table)
    texts = [job.inputs] if isinstance(job.inputs, str) else job.inputs
    pooled = work.infer(model, texts, job.parameters.truncate)
    vectors = shape_vectors(np.stack(pooled), job.parameters, table)
    output = vectors[0] if isinstance(job.inputs, str) else vectors
    return Answer(
        output=orjson.dumps(output, option=orjson.OPT_SERIALIZE_NUMPY),
        usage=work.usage(),
        timings=work.timings(),
        model_revision=model.revision,
    )


def shape_vectors(pooled: Floats, parameters: EmbedParameters, manifest: Embed) -> Floats:
    """Cut to ``dimensions`` and normalize as asked: float32 [rows, size] to float32 [rows, dimensions].

    Cutting comes first, as in Matryoshka representation learning (arXiv:2205.13147): the kept part is normalized.
    """
    vectors = pooled[:, : parameters.dimensions]
    normalize = manifest.normalize if parameters.normalize is None else parameters.normalize
    return normalized(vectors) if normalize else np.ascontiguousarray(vectors)


def _check(parameters: EmbedParameters, manifest: Embed) -> None:
    if parameters.dimensions is not None and parameters.dimensions > manifest.dimensions:
        raise InvalidRequest(
            f"parameters.dimensions is {parameters.dimensions}; this model has {manifest.dimensions}.",
            param="parameters.dimensions",
        )
