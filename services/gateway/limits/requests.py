"""Requests of one tenant that hold connections of a process at once: others need some, too.

Only those count that may take long: with a body, a wait, or a stream. So a tenant that waits for many jobs can still
read and cancel them.
"""

from collections import Counter

from flask import Response, after_this_request

from services.gateway.offload.errors import GatewayShareReached


class TenantRequests:
    """Counts the requests of tenants in this process. ``most`` is what one tenant may have at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._counts: Counter[str] = Counter()

    def enter(self, owner: str) -> None:
        """Count this request until its response has ended. ``owner`` is empty while requests need no key.

        Raises:
            GatewayShareReached: the tenant has as many as it may have.
        """
        if not owner:
            return
        if self._counts[owner] >= self._most:
            raise GatewayShareReached(
                f"{self._most} of your requests send bodies or wait for jobs, as many as those of one tenant may (it "
                "follows from TRIPTYCH_MAX_CONNECTIONS). Send 'Prefer: respond-async', and read the jobs later, "
                "without waiting."
            )
        self._counts[owner] += 1

        @after_this_request
        def leave_at_end(response: Response) -> Response:
            response.call_on_close(lambda: self._leave(owner))
            return response

    def _leave(self, owner: str) -> None:
        self._counts[owner] -= 1
        if not self._counts[owner]:
            del self._counts[owner]
