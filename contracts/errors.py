"""Every error that can reach a client, as one tree.

    TriptychError                         500  internal_error
    ├── InvalidRequest                    422  invalid_request        names the field in ``param``
    │   ├── MalformedBody                 400  malformed_body         not JSON, duplicate keys, broken text
    │   ├── PayloadTooLarge               413  payload_too_large
    │   ├── UnknownModel                  404  unknown_model
    │   ├── InputTooLong                  422  input_too_long         more tokens than the model takes
    │   └── IdempotencyMismatch           422  idempotency_mismatch   same key, other request
    ├── Unauthorized                      401  unauthorized
    ├── JobNotFound                       404  job_not_found
    ├── JobGone                           410  job_gone               known once, purged since
    ├── QuotaExceeded                     429  quota_exceeded         this tenant holds its share
    ├── Unavailable                       503  unavailable            the store is out of reach or full
    │   └── QueueFull                     503  queue_full
    ├── OutOfMemory                       500  out_of_memory          one job was too big for its worker
    ├── ExecutionTimeout                  504  execution_timeout      one attempt ran longer than timeout_s
    └── WorkerLost                        500  worker_lost            the job took its worker down, three times

A client error keeps its text. Anything that is not in this tree is logged with its job id and answered with the
fixed sentence of ``TriptychError``, so that no internals leak.
"""


class TriptychError(Exception):
    """An error with a code and an HTTP status; the base class is what unexpected failures are shown as."""

    code = "internal_error"
    http_status = 500
    retryable = True
    fixed_message = "The job failed for a reason on our side. It is logged under the job's id."

    def __init__(self, message: str | None = None, *, param: str | None = None) -> None:
        self.message = message or self.fixed_message
        self.param = param
        super().__init__(self.message)


class InvalidRequest(TriptychError):
    """The request can't be served as it stands; ``param`` is the path of the field at fault."""

    code = "invalid_request"
    http_status = 422
    retryable = False


class MalformedBody(InvalidRequest):
    """The body is not a JSON document that we accept."""

    code = "malformed_body"
    http_status = 400


class PayloadTooLarge(InvalidRequest):
    """The body is larger than the gateway takes."""

    code = "payload_too_large"
    http_status = 413


class UnknownModel(InvalidRequest):
    """No worker has announced this model for this task."""

    code = "unknown_model"
    http_status = 404


class InputTooLong(InvalidRequest):
    """An input has more tokens than the model takes, and the policy is ``truncate: error``."""

    code = "input_too_long"


class IdempotencyMismatch(InvalidRequest):
    """An ``Idempotency-Key`` came again with another request."""

    code = "idempotency_mismatch"


class Unauthorized(TriptychError):
    """The API key is missing or not one of ours."""

    code = "unauthorized"
    http_status = 401
    retryable = False
    fixed_message = "A valid API key is required: send it as 'Authorization: Bearer <key>'."


class JobNotFound(TriptychError):
    """No such job for this tenant."""

    code = "job_not_found"
    http_status = 404
    retryable = False
    fixed_message = "No job has this id."


class JobGone(TriptychError):
    """The job existed; its record was deleted or outlived its ``ttl_s``."""

    code = "job_gone"
    http_status = 410
    retryable = False
    fixed_message = "This job was purged."


class QuotaExceeded(TriptychError):
    """The tenant has as many unfinished jobs as it may have."""

    code = "quota_exceeded"
    http_status = 429


class Unavailable(TriptychError):
    """The store is out of reach or full; nothing was accepted."""

    code = "unavailable"
    http_status = 503
    fixed_message = "The job store is out of reach. Nothing was accepted; try again shortly."


class QueueFull(Unavailable):
    """The model's queue is at its limit; nothing was accepted."""

    code = "queue_full"


class OutOfMemory(TriptychError):
    """The model call ran out of memory; the worker lives on."""

    code = "out_of_memory"
    fixed_message = "The worker ran out of memory on this job. Send fewer or shorter inputs."


class ExecutionTimeout(TriptychError):
    """One attempt took longer than ``timeout_s``."""

    code = "execution_timeout"
    http_status = 504
    fixed_message = "The job ran longer than its timeout_s."


class WorkerLost(TriptychError):
    """The job was running on three workers that died."""

    code = "worker_lost"
    fixed_message = "The job was running when its worker died, three times. It is not tried again."
    retryable = False


def _tree(cls: type[TriptychError]) -> dict[str, type[TriptychError]]:
    found = {cls.code: cls}
    for child in cls.__subclasses__():
        found |= _tree(child)
    return found


def by_code(code: str) -> type[TriptychError]:
    """Return the class that carries ``code``, or the base class for a code this version does not know."""
    return _tree(TriptychError).get(code, TriptychError)
