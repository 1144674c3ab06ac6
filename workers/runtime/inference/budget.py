"""How much may share a model call or a cache, from the limits of the package and the settings of the operator.

A limit that breaks a promise of the package is an error when the worker starts, and never lowered silently.
"""

import logging

from contracts.model_package.files import PackageError
from contracts.model_package.manifest import Manifest
from workers.runtime.inference.call_memory import PROBE_TOKENS, CallMemory
from workers.runtime.settings import WorkerSettings

logger = logging.getLogger(__name__)

BASE_BYTES = 128 << 20
"""Interpreter, libraries and clients of a worker without models, rounded up."""
CALL_SHARE, JOBS_SHARE, SAVED_SHARE = 0.5, 0.25, 0.125
"""What a model call, the jobs in hand, and what is saved of paused sequences may take of the memory that weights leave.
The rest is for answers on their way, and for what allocators lose."""
LEAST_SPARE = 0.125
"""Share of a worker's memory that calls and jobs get at least, however large its models are. The default is only a
quarter of a machine, and without any memory a worker would run one job at a time."""
ROUND_TOKENS = 256
"""Lengths that memory limits are multiples of this: measurements differ a little, and all workers should agree."""
ONE_ROW = 1
"""A budget that is too small for a second row. A single row may always be longer than the budget."""


def token_budget(manifest: Manifest, settings: WorkerSettings) -> int:
    """Return the most padded tokens of one model call.

    A package that is not safe in batches gets a budget of one row, so that no answer depends on other rows.

    Raises:
        PackageError: the budget is less than the tokens that one input may have.
    """
    longest, own = manifest.limits.max_tokens, manifest.batching.max_batch_tokens
    if own < longest:
        raise PackageError(
            f"{manifest.name}: batching.max_batch_tokens is {own}, but one input may have {longest} (limits.max_tokens)"
        )
    if settings.max_batch_tokens is not None and settings.max_batch_tokens < longest:
        raise PackageError(
            f"{manifest.name}: TRIPTYCH_MAX_BATCH_TOKENS is {settings.max_batch_tokens}, but one input may have "
            f"{longest} tokens: set at least as many, or export the model with fewer max_tokens"
        )
    return (settings.max_batch_tokens or own) if manifest.batch_safe else ONE_ROW


def num_cache_slots(manifest: Manifest, settings: WorkerSettings, slot_tokens: int) -> int:
    """Return how many sequences of at most ``slot_tokens`` tokens a cache has room for.

    A package that is not safe in batches gets one, so that no answer depends on other sequences.

    Raises:
        PackageError: not even one sequence fits into the budget.
    """
    if settings.max_cache_tokens < slot_tokens:
        raise PackageError(
            f"{manifest.name}: TRIPTYCH_MAX_CACHE_TOKENS is {settings.max_cache_tokens}, but one sequence may have "
            f"{slot_tokens} tokens: set at least as many, or export a model that needs fewer"
        )
    return min(settings.max_rows, settings.max_cache_tokens // slot_tokens) if manifest.batch_safe else 1


def call_budget_bytes(settings: WorkerSettings) -> int:
    """Return how much memory one model call may take beside the weights."""
    return int(CALL_SHARE * _spare_bytes(settings))


def jobs_budget_bytes(settings: WorkerSettings) -> int:
    """Return how much memory the jobs that a worker holds may take."""
    return int(JOBS_SHARE * _spare_bytes(settings))


def saved_budget_bytes(settings: WorkerSettings) -> int:
    """Return how much memory sequences may take that gave their slots in a cache to more urgent ones."""
    return int(SAVED_SHARE * _spare_bytes(settings))


def fitting_tokens(manifest: Manifest, memory: CallMemory, settings: WorkerSettings) -> int:
    """Return how long an input the worker can serve: as long as the package allows, if a call with it fits.

    Raises:
        PackageError: not even an input of 512 tokens fits, or of the package's maximum if that is less.
    """
    wanted, budget = manifest.limits.max_tokens, call_budget_bytes(settings)
    fitting, least = memory.longest(budget, wanted), min(wanted, PROBE_TOKENS)
    if fitting < least:
        raise PackageError(
            f"{manifest.name}: a model call of {least} tokens takes {_mb(memory.num_bytes(1, least))}, and "
            f"TRIPTYCH_MAX_MEMORY={settings.max_memory} leaves {_mb(budget)} for one: raise it, or serve fewer models "
            "(TRIPTYCH_MODELS)"
        )
    if fitting < wanted:
        fitting -= fitting % ROUND_TOKENS
        logger.warning(
            "the longest inputs of this package do not fit into TRIPTYCH_MAX_MEMORY",
            extra={"model": manifest.name, "max_tokens": fitting, "max_tokens_of_package": wanted,
                   "needed": _mb(memory.num_bytes(1, wanted)), "allowed": _mb(budget)},
        )  # fmt: skip
    return fitting


def _spare_bytes(settings: WorkerSettings) -> int:
    """Return what a worker's memory leaves beside itself and the weights of all its models, but always some of it."""
    max_memory_bytes = settings.max_memory << 20
    return int(max(LEAST_SPARE * max_memory_bytes, max_memory_bytes - settings.weights_bytes - BASE_BYTES))


def _mb(num_bytes: float) -> str:
    return f"{num_bytes / 1e6:,.0f} MB"
