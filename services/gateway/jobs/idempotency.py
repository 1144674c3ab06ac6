"""What makes two submits the same request: a client's Idempotency-Key, and everything that distinguishes requests.

A second request with the same key is the same request only if both hashes are equal.
"""

import hashlib
import re

import gevent
import msgspec

from contracts.errors import InvalidRequest
from services.gateway.jobs.submission import Submission

_KEY = re.compile(r"[\x20-\x7e]{1,255}")


def hash_of_key(key: str) -> str:
    """Return the hash of a request's Idempotency-Key.

    Raises:
        InvalidRequest: the key can't be one.
    """
    if not _KEY.fullmatch(key):
        raise InvalidRequest("Expected 1 to 255 printable ASCII characters.", param="Idempotency-Key")
    return hashlib.sha256(key.encode()).hexdigest()


def fingerprint(route: str, body: msgspec.Struct | None, submission: Submission, model: str, message: bytes) -> str:
    """Return the hash of everything that distinguishes the request.

    ``body`` is that of another API's route, whose fields may not all be in ``submission``; ``message`` is what crosses
    the queue.
    """
    if body is not None:
        route = f"{route} {msgspec.json.encode(body).decode()}"
        gevent.sleep(0)  # encoding and hashing a large body takes milliseconds each
    rest: list[object] = [submission.deadline_s, submission.timeout_s, submission.ttl_s, submission.metadata]
    if submission.priority is not None:  # else as of older versions, so that an upgrade knows their requests
        rest.append(submission.priority)
    # The model's name is part of it: after a new default model is set, the same body is another request. The parsed
    # request is hashed, not its bytes: on a retry a client may order fields and escape texts differently.
    identity = [route, submission.spec.name, model, rest]
    document = hashlib.sha256(msgspec.json.encode(identity, order="sorted"))
    document.update(message)
    return document.hexdigest()
