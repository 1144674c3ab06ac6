"""Responses to requests that are not valid HTTP. No Flask request can be made of these, so they are written by hand."""

from dataclasses import dataclass

from gunicorn.http import errors as http

from services.gateway.http.request_facts import REQUEST_ID_HEADER
from services.gateway.server.strict_http import NO_SNIFFING, BadHost

_HTTP_ERRORS = {
    http.LimitRequestLine: (414, "URI Too Long", "The request line is too long."),
    http.LimitRequestHeaders: (431, "Request Header Fields Too Large", "The header fields are too many or too long."),
    http.UnsupportedTransferCoding: (501, "Not Implemented", "This transfer coding is not supported."),
    BadHost: (400, "Bad Request", "Expected exactly one Host header: a name or an address, perhaps with a port."),
    http.ExpectationFailed: (417, "Expectation Failed", "This expectation can't be met."),
}
_ERROR = '{"error":{"message":"%s","type":"invalid_request_error","param":null,"code":"bad_http"}}'
_FAILED = (
    '{"error":{"message":"The request failed for a reason on our side. It is logged.","type":"server_error",'
    '"param":null,"code":"internal_error"}}'
)


@dataclass(frozen=True)
class Refusal:
    """A response to a request that was not understood, or that failed outside of the app."""

    status: int
    reason: str
    body: str

    def encode(self, request_id: str) -> bytes:
        """Return the bytes to send. The connection ends, since nobody knows where the next request begins."""
        head = [
            f"HTTP/1.1 {self.status} {self.reason}",
            "Connection: close",
            "Content-Type: application/json",
            NO_SNIFFING,
            f"{REQUEST_ID_HEADER}: {request_id}",
            f"Content-Length: {len(self.body)}",
        ]
        return ("\r\n".join(head) + "\r\n\r\n" + self.body).encode()


def refusal_of(error: BaseException) -> Refusal:
    """Return the response to a request that gunicorn's parser refused; 500 if the error is not the client's."""
    # These two are raised for headers of our own responses: a bug here.
    response_errors = (http.InvalidResponseHeader, http.InvalidResponseHeaderName)
    if not isinstance(error, http.ParseException) or isinstance(error, response_errors):
        return Refusal(500, "Internal Server Error", _FAILED)
    status, reason, message = _HTTP_ERRORS.get(type(error), (400, "Bad Request", "This is not a valid HTTP request."))
    return Refusal(status, reason, _ERROR % message)
