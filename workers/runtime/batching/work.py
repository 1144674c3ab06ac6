"""What a task on the batching engine sees of its attempt: model calls on rows, and how long they took."""

from collections.abc import Sequence
from functools import partial

from workers.runtime.batching.engine import BatchingEngine, BatchModel, ModelRow
from workers.runtime.engine.work import Work
from workers.runtime.inference.session import Array


class BatchWork(Work[BatchingEngine]):
    """One attempt at one job whose inputs are rows."""

    async def infer(self, model: BatchModel[ModelRow], rows: Sequence[ModelRow]) -> list[Array]:
        """Run rows in batches with those of other jobs; return the array of each row, in order.

        Raises:
            ExecutionTimeout: the attempt has taken longer than its ``timeout_s``.
            AttemptStopped: the job no longer belongs to this attempt.
            TriptychError: a model call failed.
        """
        return await self._run(partial(self._engine.submit, model, rows, self.attempt))
