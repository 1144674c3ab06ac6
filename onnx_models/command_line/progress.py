"""Tell people at a terminal how far long work is; logs and pipes get one line a step.

tqdm is in the export environment. Where it is not, a download is announced and has no bar.
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
    """Show bytes on their way as a bar; gives the function that counts those that have come. ``total`` 0: unknown."""
    try:
        from tqdm import tqdm
    except ModuleNotFoundError:
        print(f"{what}: {total / 1e6:.1f} MB" if total else what, file=sys.stderr)
        yield lambda num_bytes: None
        return
    with tqdm(desc=what, total=total or None, unit="B", unit_scale=True, disable=None) as bar:
        yield bar.update


@contextmanager
def steps(num_steps: int) -> Iterator[Callable[[str], None]]:
    """Show the steps of an export as a bar with a running clock; gives the function that begins a step by its name."""
    from tqdm import tqdm

    begun = 0
    with tqdm(total=num_steps, unit="step", disable=None, leave=False) as bar, _refreshed(bar):

        def begin(what: str) -> None:
            nonlocal begun
            if bar.disable:
                print(f"[{begun + 1}/{num_steps}] {what}", file=sys.stderr)
            bar.set_description(what)
            bar.update(1 if begun else 0)
            begun += 1

        yield begin


@contextmanager
def _refreshed(bar: "tqdm[Any]") -> Iterator[None]:
    """Redraw a bar twice a second, so that a step of minutes is seen to be alive."""
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
