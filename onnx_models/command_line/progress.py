"""Progress bars at a terminal, and one line for each step in logs and pipes.

tqdm is part of the export environment. Without it, a download prints one line and shows no bar.
"""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tqdm import tqdm

_PERIOD_S = 0.5


@contextmanager
def counting_bytes(what: str, total: int) -> Iterator[Callable[[int], object]]:
    """Show a progress bar of bytes; yield the function that adds to it. A ``total`` of 0 means unknown."""
    try:
        from tqdm import tqdm
    except ModuleNotFoundError:
        print(f"{what}: {total / 1e6:.1f} MB" if total else what, file=sys.stderr)
        yield lambda num_bytes: None
        return
    # disable=None: no bar where stderr is not a terminal.
    with tqdm(desc=what, total=total or None, unit="B", unit_scale=True, disable=None) as bar:
        yield bar.update


@contextmanager
def steps(num_steps: int) -> Iterator[Callable[[str], None]]:
    """Show the steps of an export as a progress bar with a clock; yield the function that starts a step by its name."""
    from tqdm import tqdm

    begun = 0
    with tqdm(total=num_steps, unit="step", disable=None, leave=False) as bar, _refreshed(bar):

        def begin(what: str) -> None:
            nonlocal begun
            if bar.disable:
                print(f"[{begun + 1}/{num_steps}] {what}", file=sys.stderr)
            bar.set_description(what)
            # A step is complete when the next one begins.
            bar.update(1 if begun else 0)
            begun += 1

        yield begin


@contextmanager
def _refreshed(bar: "tqdm[Any]") -> Iterator[None]:
    """Redraw a bar twice a second: its clock shows that a step of several minutes is alive."""
    stop = threading.Event()

    def redraw() -> None:
        while not stop.wait(_PERIOD_S):
            bar.refresh()

    thread = threading.Thread(target=redraw, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
