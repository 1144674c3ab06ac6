"""A program with a child that is busy: prints the child's process id and waits for its own end."""

import gevent

from services.gateway.offload.client import Offload
from tests.gateway.offload.calls import burn


def main() -> None:
    offload = Offload()
    gevent.spawn(offload.call, burn, b"600", cpu_s=1000)
    while not offload.pids:
        gevent.sleep(0.01)
    # The child is started before it is asked, so it is busy soon.
    gevent.sleep(1)
    print(offload.pids[0], flush=True)
    gevent.sleep(600)


if __name__ == "__main__":
    main()
