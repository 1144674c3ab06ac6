"""How many tokens may share a model call, and how many texts a cache, from what package and operator say."""

from contracts.model_package.manifest import Manifest
from contracts.model_package.package import PackageError
from workers.runtime.settings import WorkerSettings

ONE_ROW = 1
"""A budget that no second row fits into."""


def token_budget(manifest: Manifest, settings: WorkerSettings) -> int:
    """Return the padded tokens that one model call may have.

    A package that is not safe in batches gets a budget of one row, so that no answer depends on its neighbours.

    Raises:
        PackageError: the budget is less than the tokens that one input may have, so a promise would be broken: that
            of the longest input, or that of the largest call.
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


def cache_rows(manifest: Manifest, settings: WorkerSettings, row_tokens: int) -> int:
    """Return how many texts of a decoder may be written side by side, each with room for ``row_tokens`` in its cache.

    A package that is not safe in batches writes one at a time, so that no answer depends on its neighbours.

    Raises:
        PackageError: not even one text fits into the budget.
    """
    if settings.max_cache_tokens < row_tokens:
        raise PackageError(
            f"{manifest.name}: TRIPTYCH_MAX_CACHE_TOKENS is {settings.max_cache_tokens}, but one text may hold "
            f"{row_tokens} tokens: set at least as many, or export a model that needs fewer"
        )
    return min(settings.max_rows, settings.max_cache_tokens // row_tokens) if manifest.batch_safe else 1
