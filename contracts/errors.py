"""Every error that can reach a client, as one tree.

    TriptychError                         500  internal_error
    ├── InvalidRequest                    422  invalid_request        names the field in ``param``
    │   ├── MalformedBody                 400  malformed_body         not JSON, duplicate keys, invalid text
    │   ├── PayloadTooLarge               413  payload_too_large
    │   ├── UnknownModel                  404  unknown_model
    │   ├── InputTooLong                  422  input_too_long         more tokens than the model takes
    │   ├── DeadlineUnreachable           422  deadline_unreachable   more work than fits into its time
    │   ├── LimitExceeded                 422  limit_exceeded         more than the tenant may ask for in one request
    │   └── IdempotencyMismatch           422  idempotency_mismatch   same key, other request
    ├── Unauthorized                      401  unauthorized
    ├── JobNotFound                       404  job_not_found
    ├── JobGone                           410  job_gone               known once, purged since
    ├── QuotaExceeded                     429  quota_exceeded         the tenant has too many unfinished jobs
    │   ├── StorageQuotaExceeded          429  storage_quota_exceeded  its requests and results take too many bytes
    │   ├── RateLimited                   429  rate_limited           more requests, or work, in a minute than it may
    │   └── IdempotencyQuotaExceeded      429  idempotency_quota_exceeded  it has used too many keys in 24 hours
    ├── Unavailable                       503  unavailable            the store is lost, full, or takes no writes
    │   └── QueueFull                     503  queue_full
    ├── OutOfMemory                       500  out_of_memory          a model call ran out of memory
    ├── ExecutionTimeout                  504  execution_timeout      one attempt ran longer than timeout_s
    ├── BrokenRecord                      500  broken_record          the job's record can't be used
    └── WorkerLost                        500  worker_lost            each worker died that ran the job, alone as well

The message of a client error reaches the client. An exception outside of this tree is logged with its job id, and the
client gets the fixed message of ``TriptychError``, so that no internals leak.
"""


class TriptychError(Exception):
    """An error with a code and an HTTP status. Unexpected failures are shown to clients as this base class."""

    code = "internal_error"
    http_status = 500
    # Failures on our side may pass. Classes for errors of the request, which stay wrong, override this.
    retryable = True
    fixed_message = "The job failed for a reason on our side. It is logged under the job's id."

    def __init__(
        self, message: str | None = None, *, param: str | None = None, retry_after_s: float | None = None
    ) -> None:
        self.message = message or self.fixed_message
        self.param = param
        self.retry_after_s = retry_after_s
        """When the same request would probably be accepted, if that is known."""
        super().__init__(self.message)


class InvalidRequest(TriptychError):
    """The request can't be served as it is; ``param`` is the path of the wrong field."""

    code = "invalid_request"
    http_status = 422
    retryable = False


class MalformedBody(InvalidRequest):
    """The body is not valid JSON, has duplicate keys, or a text with NUL or half of a surrogate pair."""

    code = "malformed_body"
    http_status = 400


class PayloadTooLarge(InvalidRequest):
    """The body is larger than the gateway accepts."""

    code = "payload_too_large"
    http_status = 413


class UnknownModel(InvalidRequest):
    """No worker has announced this model for this task."""

    code = "unknown_model"
    http_status = 404


class InputTooLong(InvalidRequest):
    """An input has more tokens than the model takes, and the policy is ``truncate: error``."""

    code = "input_too_long"


class DeadlineUnreachable(InvalidRequest):
    """The job takes longer than its ``deadline_s`` or ``timeout_s``, even if nothing else waits."""

    code = "deadline_unreachable"


class LimitExceeded(InvalidRequest):
    """The request asks for more than its tenant may ask for in one request; no other time would help."""

    code = "limit_exceeded"


class IdempotencyMismatch(InvalidRequest):
    """An ``Idempotency-Key`` was used before with another request. The status is that of the IETF's draft."""

    code = "idempotency_mismatch"


class Unauthorized(TriptychError):
    """The API key is missing or unknown."""

    code = "unauthorized"
    http_status = 401
    retryable = False
    fixed_message = "A valid API key is required: send it as 'Authorization: Bearer <key>'."


class JobNotFound(TriptychError):
    """There is no such job, or it belongs to another tenant."""

    code = "job_not_found"
    http_status = 404
    retryable = False
    fixed_message = "No job has this id."


class JobGone(TriptychError):
    """The job existed, but its record was deleted or is past its ``ttl_s``."""

    code = "job_gone"
    http_status = 410
    retryable = False
    fixed_message = "This job was purged."


class QuotaExceeded(TriptychError):
    """The tenant has as many unfinished jobs as its quota allows."""

    code = "quota_exceeded"
    http_status = 429


class StorageQuotaExceeded(QuotaExceeded):
    """The requests of the tenant's unfinished jobs, and the results it has not fetched, take as much as they may."""

    code = "storage_quota_exceeded"


class RateLimited(QuotaExceeded):
    """The tenant or the key has used up a rate. ``retry_after_s`` is exact, unless others use the rate meanwhile."""

    code = "rate_limited"


class IdempotencyQuotaExceeded(QuotaExceeded):
    """The tenant has used as many ``Idempotency-Key``s in 24 hours as it may."""

    code = "idempotency_quota_exceeded"


class Unavailable(TriptychError):
    """The store is out of reach, full, or takes no writes; nothing was accepted."""

    code = "unavailable"
    http_status = 503
    fixed_message = "The job store is out of reach. Nothing was accepted; try again shortly."


class QueueFull(Unavailable):
    """The model's queue has reached its limit; nothing was accepted."""

    code = "queue_full"


class OutOfMemory(TriptychError):
    """The model call ran out of memory; the worker keeps running."""

    code = "out_of_memory"
    fixed_message = "The worker ran out of memory on this job. Send fewer or shorter inputs."


class ExecutionTimeout(TriptychError):
    """One attempt took longer than ``timeout_s``."""

    code = "execution_timeout"
    http_status = 504
    fixed_message = "The job ran longer than its timeout_s."


class BrokenRecord(TriptychError):
    """Somebody or something has changed the job's record so that it can't be used."""

    code = "broken_record"
    retryable = False
    fixed_message = "The record of this job is broken. It was set aside, and an operator can look at it."


class WorkerLost(TriptychError):
    """Workers died while they ran the job, in the end with no other job that could be the reason."""

    code = "worker_lost"
    fixed_message = "Its worker died each time that the job ran, also when it ran alone. It is not tried again."
    # The same job would most likely kill the next workers, too.
    retryable = False


# Found by walking the classes, so that a subclass in a service (`services.gateway.http.errors`) needs no entry here.
def _tree(cls: type[TriptychError]) -> dict[str, type[TriptychError]]:
    found = {cls.code: cls}
    for child in cls.__subclasses__():
        found |= _tree(child)
    return found


def by_code(code: str) -> type[TriptychError]:
    """Return the class with a code, or the base class for a code that this version does not know.

    Records of newer workers may have such codes while a deployment is updated.
    """
    return _tree(TriptychError).get(code, TriptychError)
