"""Measures for how long a call keeps Python's lock, and with it every other thread."""

import gc
import threading
import time
from collections.abc import Callable

TICK_S = 0.001


def longest_hold_s(call: Callable[[], object]) -> float:
    """Return the most CPU time that the process used, while a call ran, between two runs of another thread.

    CPU time and not wall time, so that other processes of a busy machine don't count.
    """
    longest, last = 0.0, 0.0
    done = threading.Event()

    def tick() -> None:
        nonlocal longest, last
        while not done.is_set():
            time.sleep(TICK_S)
            now = time.process_time()
            longest, last = max(longest, now - last), now

    thread = threading.Thread(target=tick)
    # What other tests have left would be searched for cycles during the call, and a search keeps the lock.
    gc.collect()
    gc.freeze()
    last = time.process_time()
    thread.start()
    try:
        call()
    finally:
        done.set()
        thread.join()
        gc.unfreeze()
    return longest


def hold_s(call: Callable[[], object], limit: float) -> float:
    """Return how long a call keeps the lock; on a busy machine it gets three tries."""
    held = longest_hold_s(call)
    for _ in range(2):
        held = held if held < limit else longest_hold_s(call)
    return held


def limit_s() -> float:
    """Return 0.2 s of CPU time, or more on a machine that needs longer for a fixed piece of work."""

    def work() -> None:
        sum(range(20_000_000))

    return max(0.2, min(longest_hold_s(work) for _ in range(3)))
