"""How many tokens may share a model call, from what a package says and what the operator wants."""

from workers.runtime.manifest import Manifest
from workers.runtime.model_package import PackageError
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
