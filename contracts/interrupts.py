"""What Ctrl-C does to a program that is starting."""

import signal


def let_interrupts_end() -> None:
    """Let SIGINT end this process at once, as SIGTERM does, until the program sets handlers of its own.

    Python's own handler raises an exception wherever the program is, most often within an import, and the log gets its
    traceback. Call this before the imports that take time. A shell's background jobs ignore SIGINT; that stays so.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
