"""The process that starts those which serve requests, and starts new ones for those that die or hang."""

import signal
from typing import Any

from gunicorn.arbiter import Arbiter

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


class GatewayArbiter(Arbiter):  # type: ignore[misc]
    """gunicorn's arbiter, whose processes can be stopped at every moment of their start."""

    def spawn_worker(self) -> Any:
        """Fork one process. Signals to stop reach it once it has its handlers, which lets them through."""
        # Until then it has the arbiter's handlers, which only note a signal in a list that it never reads.
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        try:
            return super().spawn_worker()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)

    def _ignore(self) -> None:
        self.log.warning("ignored: TRIPTYCH_GATEWAY_PROCESSES sets the number of processes, and a restart the program")

    # More processes than the setting says would have no slot to count in, and the address is checked at each start.
    handle_ttin = handle_ttou = handle_usr2 = _ignore
