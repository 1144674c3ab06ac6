"""What a failure in a model call is to the job that it happened to."""

from contracts.errors import OutOfMemory, TriptychError


def as_job_error(error: BaseException) -> TriptychError:
    """Return the error of the tree that a failed model call ends its job with."""
    if isinstance(error, TriptychError):
        return error
    # ONNX Runtime reports a failed allocation as its own exception type, numpy as MemoryError.
    if isinstance(error, MemoryError) or "bad_alloc" in str(error) or "Failed to allocate memory" in str(error):
        return OutOfMemory()
    return TriptychError()
