"""Another client: sends a small request again and again, and measures how long it waits. A process of its own.

``python -m benchmarks.hostile.bystander PORT METHOD PATH [BODY]`` runs until its standard input ends, and then prints
the longest and the median time in milliseconds as JSON.
"""

import json
import select
import statistics
import sys
import time
from http.client import HTTPConnection, HTTPException

PAUSE_S = 0.005
TIMEOUT_S = 120.0


def main(port: str, method: str, path: str, body: str = "") -> None:
    """Send requests until standard input ends; print how long they took."""
    times_ms = []
    ended = False
    while not ended:
        started = time.perf_counter()
        # A refusal or a broken connection is no answer: the client tries again, and its wait goes on.
        while not _answered(int(port), method, path, body) and time.perf_counter() - started < TIMEOUT_S:
            time.sleep(PAUSE_S)
        times_ms.append(1000 * (time.perf_counter() - started))
        ended = bool(select.select([sys.stdin], [], [], PAUSE_S)[0])
    print(json.dumps({"longest_ms": max(times_ms), "median_ms": statistics.median(times_ms), "count": len(times_ms)}))


def _answered(port: int, method: str, path: str, body: str) -> bool:
    # A new connection each time, because a server that accepts no more of them is out of reach for new clients.
    connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.request(method, path, body or None, {"Content-Type": "application/json"} if body else {})
        response = connection.getresponse()
        response.read()
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
    return response.status == 200


if __name__ == "__main__":
    main(*sys.argv[1:])
