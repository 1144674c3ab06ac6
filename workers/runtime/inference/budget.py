"""How much may share a model call or a cache, from the limits of the package and the settings of the operator.

A limit that breaks a promise of the package is an error when the worker starts, and never lowered silently.
"""

from contracts.model_package.files import PackageError
from contracts.model_package.manifest import Manifest
from workers.runtime.settings import WorkerSettings

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
