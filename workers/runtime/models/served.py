"""A model that is ready for jobs: from a claimed request to the answer that is stored. Step 5 on the path of a job."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
import numpy as np
import orjson

from contracts.cards import ModelCard
from contracts.jobs import Answer, Claim, Usage
from contracts.model_package.manifest import Figures, Manifest
from contracts.price.profile import ModelProfile
from contracts.tasks import TASKS
from workers.runtime.attempts.attempt import Attempt
from workers.runtime.attempts.running_job import RunningJob
from workers.runtime.engine.work import Work
from workers.runtime.inference.session import Array

UNKNOWN = ModelProfile()
_BLOCK_SIZE = 1_000_000
"""Numbers of an array that are encoded in one call."""
Model = TypeVar("Model")
Request = TypeVar("Request")
AnyWork = TypeVar("AnyWork", bound=Work[Any])


class TaskOutput(NamedTuple):
    """What a task returns for one job."""

    outputs: Sequence[Any] | Array
    """One output for each input, in order: what `msgspec` encodes, or an array with an input in each row."""
    usage: Usage


@dataclass(frozen=True)
class TaskHandler(Generic[Model, Request, AnyWork]):
    """A task as a worker runs it."""

    request_type: type[Request]
    """As `contracts` declares it; requests were checked against it by the gateway."""
    run: Callable[[Model, Request, AnyWork], Awaitable[TaskOutput]]
    """A coroutine that runs one job on a model. It awaits nothing but requests of its work, and raises a
    ``TriptychError`` for what is wrong with the request."""
    is_quick: bool = False
    """Whether, for a short request, all that it does between model calls takes less than a millisecond, except after a
    handover (``Work.hand_over``)."""


class ServedModel:
    """A loaded and warm model with its task, on an engine.

    Args:
        model: what the task runs on.
        card: what the gateway and clients may know of it.
        task: what it does.
        start_work: makes the work of an attempt, on the engine of this process.
        profile: what the model costs, as measured when it was loaded.
    """

    def __init__(
        self,
        model: Model,
        card: ModelCard,
        task: TaskHandler[Model, Any, AnyWork],
        start_work: Callable[[Attempt], AnyWork],
        profile: ModelProfile = UNKNOWN,
    ) -> None:
        self.card = card
        self.profile = profile
        self._demand = TASKS[card.task].demand
        self._model = model
        self._is_quick = task.is_quick
        self._run: Callable[[Any, Any, Any], Awaitable[TaskOutput]] = task.run
        self._start_work = start_work
        # Made once, because resolving the type takes time, too.
        self._decoder = msgspec.json.Decoder(task.request_type)

    def start(self, attempt: Attempt) -> RunningJob:
        """Return the task of one attempt, which has not begun."""
        work = self._start_work(attempt)  # its stopwatch starts here
        return RunningJob(attempt, work, self._answer(attempt.claim, work), is_quick=self._is_quick)

    async def _answer(self, claim: Claim, work: AnyWork) -> Answer:
        """Run one job: one output for a single input, a list of outputs for a list of inputs."""
        request = self._decoder.decode(claim.request)
        work.attempt.counts.demand = self._demand(request.inputs, request.parameters)
        outputs, usage = await self._run(self._model, request, work)
        # The output is encoded before the timings are taken, so that its encoding counts.
        return Answer(
            output=_encode(outputs if isinstance(request.inputs, list) else outputs[0]),
            usage=msgspec.json.encode(usage),
            timings=msgspec.json.encode(work.timings()),
            model_revision=self.card.revision,
        )


def card_of(manifest: Manifest, *, max_tokens: int, **metadata: Any) -> ModelCard:
    """Return a package's card. ``metadata`` are fields that only some tasks have."""
    return ModelCard(
        name=manifest.name,
        task=manifest.task.name,
        family=manifest.family,
        revision=manifest.version,
        licence=manifest.licence,
        description=manifest.description,
        quality=_announced(manifest.quality),
        max_tokens=max_tokens,
        **metadata,
    )


def _announced(figures: Figures) -> Figures:
    """Return figures without NaN, infinity and numbers of more than 64 bits, which JSON or its readers don't know."""
    return {name: value for name, value in figures.items() if isinstance(value, str) or abs(value) < 2**63}


def _encode(output: Any) -> bytes:
    if not isinstance(output, np.ndarray):
        return msgspec.json.encode(output)
    # orjson encodes arrays several times faster than lists of floats.
    if output.size <= _BLOCK_SIZE:
        return orjson.dumps(output, option=orjson.OPT_SERIALIZE_NUMPY)
    # In blocks, because a call keeps Python's lock, for 0.2 s with 8 million numbers.
    num_blocks = max(1, min(len(output), output.size // _BLOCK_SIZE))
    blocks = np.array_split(output, num_blocks)
    encoded = [orjson.dumps(block, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1] for block in blocks]
    encoded[0] = b"[" + encoded[0]
    encoded[-1] += b"]"
    return b",".join(encoded)
