"""Reads what is left of a body that was refused before it was read, so that the connection can be used again.

gunicorn does that too, in pieces of 1 KiB and without a limit. For each piece it copies all that it has received, which
holds the event loop: 8 MiB took half a second.
"""

from typing import Any

import gevent
from gunicorn.http.body import LengthReader
from gunicorn.http.errors import ParseException

_MAX_BYTES = 16 << 20
"""Twice the longest body by default. A client that goes on after an answer is disconnected."""
_MAX_S = 5.0
_STEP_BYTES = 256 * 1024


def drop(body: Any) -> bool:
    """Read and forget the rest of a body; return False if its end did not come, and the connection must be closed."""
    if isinstance(body.reader, LengthReader) and body.reader.length == 0:
        return True  # nearly every request: all of it has been read
    try:
        with gevent.Timeout(_MAX_S, False):
            for _ in range(_MAX_BYTES // _STEP_BYTES):
                if not body.read(_STEP_BYTES):
                    return True
                gevent.sleep(0)
    except (OSError, ParseException):
        pass  # its end can't be found any more
    return False
