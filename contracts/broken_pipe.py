"""What a command does when nobody reads its output any more, as behind `| head`."""

import os
import sys
from collections.abc import Callable

EXIT_STATUS = 1


def ending_with_its_reader(run: Callable[[], int]) -> int:
    """Run a command and return its exit status; a reader that has gone ends it without a traceback."""
    try:
        status = run()
        sys.stdout.flush()  # here and not when the interpreter ends, where nothing could be caught
    except BrokenPipeError:
        # The interpreter flushes once more at its end, which must then succeed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_STATUS
    return status
