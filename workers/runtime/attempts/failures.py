"""Which error a job ends with when one of its model calls fails."""

from contracts.errors import OutOfMemory, TriptychError


def as_job_error(error: BaseException) -> TriptychError:
    """Return the error with which a job ends if a model call raised this exception."""
    if isinstance(error, TriptychError):
        return error
    # ONNX Runtime reports a failed allocation as its own exception type, numpy as MemoryError.
    if isinstance(error, MemoryError) or "bad_alloc" in str(error) or "Failed to allocate memory" in str(error):
        return OutOfMemory()
    return TriptychError()
