"""``python -m tests.scale.pings URL``: ping a store each millisecond till stdin is closed; print how long that took."""

import select
import sys
import time

import msgspec
import redis

from tests.scale.draining import Pings

PERIOD_S = 0.001


def main() -> None:
    """Ping until nobody wants to know."""
    client = redis.Redis.from_url(sys.argv[1])
    client.ping()
    print("ready", flush=True)
    times_ms: list[float] = []
    while not select.select([sys.stdin], [], [], PERIOD_S)[0]:
        began = time.perf_counter()
        client.ping()
        times_ms.append(1000 * (time.perf_counter() - began))
    times_ms.sort()
    share = len(times_ms) - 1
    pings = Pings(len(times_ms), times_ms[share // 2], times_ms[int(share * 0.99)], times_ms[-1])
    sys.stdout.buffer.write(msgspec.json.encode(pings))


if __name__ == "__main__":
    main()
