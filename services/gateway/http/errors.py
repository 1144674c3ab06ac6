"""Errors of HTTP itself and of waiting, which never cross the queue; the others are in ``contracts.errors``."""

from contracts.errors import InvalidRequest, TriptychError, Unavailable


class RouteNotFound(InvalidRequest):
    """No route has this path."""

    code = "route_not_found"
    http_status = 404


class MethodNotAllowed(InvalidRequest):
    """The route exists, for other methods."""

    code = "method_not_allowed"
    http_status = 405


class BadEventId(InvalidRequest):
    """A client wants to go on after an event whose id no event can have."""

    code = "bad_event_id"
    http_status = 400


class BodyTimeout(InvalidRequest):
    """The body did not arrive in time."""

    code = "body_timeout"
    http_status = 408
    retryable = True


class UnsupportedMediaType(InvalidRequest):
    """The body is not declared as plain JSON."""

    code = "unsupported_media_type"
    http_status = 415


class ForeignPage(InvalidRequest):
    """A browser sends the form of another site's page."""

    code = "foreign_page"
    http_status = 403


class JobCancelled(TriptychError):
    """The job that the request waited for was cancelled; 409 because the request conflicts with that."""

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
    """A route that has no way to answer with a job waited as long as it may."""

    code = "wait_exceeded"
    http_status = 504
    # The job goes on: the same request again would only make another.
    retryable = False


class TooManyStreams(Unavailable):
    """This process has as many event streams open as it may."""

    code = "too_many_streams"
    fixed_message = "Too many event streams are open. Try again later, or poll the job."


class GatewayStopping(Unavailable):
    """This process is told to stop while a client waits for a stream, or reads one."""

    code = "gateway_stopping"
    fixed_message = "The gateway is stopping. Try again."


class StreamBroken(TriptychError):
    """What a client has been told of a text is not how the text begins that the job now tells."""

    code = "stream_broken"
    fixed_message = "The job was tried again and wrote another text than the one that you have the beginning of."


class ClientGone(InvalidRequest):
    """Nobody reads the answer any more; told to nobody but the metrics, with the status that proxies use for it."""

    code = "client_gone"
    http_status = 499
