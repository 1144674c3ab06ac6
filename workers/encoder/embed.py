"""The embed task: texts to vectors. Step 5 on the path of a job."""

import numpy as np

from contracts.errors import InvalidRequest
from contracts.model_package.manifest import Manifest
from contracts.model_package.tasks import Embed, EmbedTask
from contracts.tasks.embed import EmbedParameters, EmbedRequest
from workers.encoder.handler import EncoderHandler
from workers.encoder.head import Head, first_output
from workers.encoder.model import EncoderModel
from workers.encoder.pooling import POOLING, Floats, normalized
from workers.encoder.texts import infer_texts
from workers.runtime.batching.work import BatchWork
from workers.runtime.models.served import TaskOutput


async def embed(model: EncoderModel, request: EmbedRequest, work: BatchWork) -> TaskOutput:
    """Run one embed job: a vector for each text."""
    table = model.manifest.task_as(EmbedTask).embed
    _check(request.parameters, table)
    texts = [request.inputs] if isinstance(request.inputs, str) else request.inputs
    pooled, usage = await infer_texts(model, work, texts, request.parameters.truncate)
    return TaskOutput(shape_vectors(np.array(pooled), request.parameters, table), usage)


def embed_head(manifest: Manifest) -> Head:
    """Return a head that pools the vectors of a row's tokens, unless the graph itself does."""
    table = manifest.task_as(EmbedTask).embed
    card = {"dimensions": table.dimensions}
    if table.pooling == "none":
        return Head(first_output, (table.dimensions,), card)
    pool = POOLING[table.pooling]
    return Head(lambda outputs, mask: pool(outputs[0], mask), (table.dimensions,), card)


EMBED = EncoderHandler(EmbedRequest, embed, make_head=embed_head, is_quick=True)


def shape_vectors(pooled: Floats, parameters: EmbedParameters, manifest: Embed) -> Floats:
    """Truncate vectors to ``dimensions`` and normalize them as requested.

    Truncation comes first, as in Matryoshka representation learning (arXiv:2205.13147).

    Args:
        pooled: float32 [rows, size].
        parameters: of the request.
        manifest: the package's defaults.

    Returns:
        float32 [rows, dimensions].
    """
    vectors = pooled[:, : parameters.dimensions]
    normalize = manifest.normalize if parameters.normalize is None else parameters.normalize
    # orjson encodes contiguous arrays only, and a slice is not one.
    return normalized(vectors) if normalize else np.ascontiguousarray(vectors)


def _check(parameters: EmbedParameters, manifest: Embed) -> None:
    # The gateway has checked this too, but against the card of the version that was served then.
    if parameters.dimensions is not None and parameters.dimensions > manifest.dimensions:
        raise InvalidRequest(
            f"parameters.dimensions is {parameters.dimensions}; this model has {manifest.dimensions}.",
            param="parameters.dimensions",
        )
