"""Errors that only the gateway raises, about HTTP and about waiting. Errors of jobs are in ``contracts.errors``."""

from contracts.errors import InvalidRequest, QuotaExceeded, TriptychError, Unauthorized, Unavailable


class RouteNotFound(InvalidRequest):
    """No route has this path."""

    code = "route_not_found"
    http_status = 404


class MethodNotAllowed(InvalidRequest):
    """The route exists, but not for this method."""

    code = "method_not_allowed"
    http_status = 405


class BadEventId(InvalidRequest):
    """A client wants to resume after an event id that no event can have."""

    code = "bad_event_id"
    http_status = 400


class BodyTimeout(InvalidRequest):
    """The body did not arrive in time."""

    code = "body_timeout"
    http_status = 408
    retryable = True


class UnsupportedMediaType(InvalidRequest):
    """The body's Content-Type or Content-Encoding is not accepted here."""

    code = "unsupported_media_type"
    http_status = 415


class KeyNotInHeader(Unauthorized):
    """A body is too long to be searched for the API key of a client that is not known yet."""

    code = "key_not_in_header"


class AdminKeyNeeded(Unauthorized):
    """The key is valid, and may not see what belongs to other tenants."""

    code = "admin_key_needed"
    http_status = 403
    fixed_message = "Only an admin key ('keys create --admin') sees the usage of other tenants."


class CrossSiteRequest(InvalidRequest):
    """A browser sends a form, or another request that needs no consent, from a page of another site."""

    code = "foreign_page"
    http_status = 403


class UnknownHost(InvalidRequest):
    """The request is for a name that is none of this gateway's, which needs no keys."""

    code = "unknown_host"
    http_status = 421


class JobCancelled(TriptychError):
    """The job that the request waited for was cancelled. 409, because the request conflicts with that state."""

    code = "job_cancelled"
    http_status = 409
    retryable = False
    fixed_message = "The job was cancelled."


class JobExpired(TriptychError):
    """The job that the request waited for did not finish before its deadline."""

    code = "job_expired"
    http_status = 504
    fixed_message = "The job did not finish within its deadline_s."


class WaitExceeded(TriptychError):
    """A route that can't answer with a job has waited as long as it may."""

    code = "wait_exceeded"
    http_status = 504
    # The job goes on. The same request, sent again, would only make a second one.
    retryable = False


class AnswerTooLarge(TriptychError):
    """The job has succeeded, but its output takes too much time or memory in the format of this route."""

    code = "answer_too_large"
    retryable = False


class TooManyStreams(Unavailable):
    """The gateway has reached its limit of open event streams."""

    code = "too_many_streams"
    fixed_message = "Too many event streams are open. Try again later, or poll the job."


class TooManyTenantStreams(QuotaExceeded):
    """The tenant has reached its limit of open event streams."""

    code = "stream_quota_exceeded"


class GatewayStopping(Unavailable):
    """This process stops while a client waits for an answer, or reads a stream."""

    code = "gateway_stopping"
    fixed_message = "The gateway is stopping. Try again."


class StreamBroken(TriptychError):
    """The retried attempt generated another text than the one that is partly streamed already."""

    code = "stream_broken"
    fixed_message = "The job was retried and generated another text than the one whose beginning was streamed to you."


class ClientDisconnected(InvalidRequest):
    """The client has closed its connection. Only metrics see this status, which is nginx's for such a request."""

    code = "client_gone"
    http_status = 499
    fixed_message = "The client has disconnected."
