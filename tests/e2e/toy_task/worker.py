"""The rank task on a worker. Step 5 on the path of a job."""

import numpy as np
from contracts.tasks.rank import Ranked, RankInput, RankRequest

from contracts.model_package.manifest import Manifest
from contracts.model_package.tasks import RankTask  # type: ignore[attr-defined]
from workers.encoder.handler import EncoderHandler
from workers.encoder.head import Head
from workers.encoder.model import EncoderModel
from workers.encoder.pooling import POOLING, normalized
from workers.encoder.texts import infer_texts
from workers.runtime.batching.work import BatchWork
from workers.runtime.models.served import TaskOutput


async def rank(model: EncoderModel, request: RankRequest, work: BatchWork) -> TaskOutput:
    """Run one rank job: for each query its passages, the most similar first."""
    inputs = request.inputs if isinstance(request.inputs, list) else [request.inputs]
    texts = [text for item in inputs for text in (item.query, *(passage.text for passage in item.passages))]
    rows, usage = await infer_texts(model, work, texts, request.parameters.truncate)
    vectors = iter(normalized(np.stack(rows)[:, : request.parameters.dimensions]))
    return TaskOutput([_ranked(item, next(vectors), [next(vectors) for _ in item.passages]) for item in inputs], usage)


def _ranked(item: RankInput, query: np.ndarray, passages: list[np.ndarray]) -> list[Ranked]:
    scores = [float(query @ passage) for passage in passages]
    best = sorted(range(len(scores)), key=lambda index: -scores[index])
    return [Ranked(index, scores[index]) for index in best[: item.top_k]]


def rank_head(manifest: Manifest) -> Head:
    """Return a head that averages the vectors of a row's tokens."""
    dimensions = manifest.task_as(RankTask).rank.dimensions
    return Head(lambda outputs, mask: POOLING["mean"](outputs[0], mask), (dimensions,), {"dimensions": dimensions})


RANK = EncoderHandler(RankRequest, rank, make_head=rank_head, is_quick=True)
