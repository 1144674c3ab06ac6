"""Responses to requests that are not valid HTTP. No Flask request can be made of these, so they are written by hand."""

from gunicorn.http import errors as http

_HTTP_ERRORS = {
    http.LimitRequestLine: (414, "URI Too Long", "The request line is too long."),
    http.LimitRequestHeaders: (431, "Request Header Fields Too Large", "The header fields are too many or too long."),
    http.UnsupportedTransferCoding: (501, "Not Implemented", "This transfer coding is not supported."),
    http.ExpectationFailed: (417, "Expectation Failed", "This expectation can't be met."),
}
_ERROR = '{"error":{"message":"%s","type":"invalid_request_error","param":null,"code":"bad_http"}}'


def response_to(error: BaseException) -> bytes | None:
    """Return the response to a request that gunicorn's parser refused, or None if the error is not the client's."""
    # These two are raised for headers of our own responses: a bug here, which gunicorn logs and answers with 500.
    response_errors = (http.InvalidResponseHeader, http.InvalidResponseHeaderName)
    if not isinstance(error, http.ParseException) or isinstance(error, response_errors):
        return None
    status, reason, message = _HTTP_ERRORS.get(type(error), (400, "Bad Request", "This is not a valid HTTP request."))
    body = _ERROR % message
    head = f"HTTP/1.1 {status} {reason}\r\nConnection: close\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()
