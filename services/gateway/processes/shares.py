"""Shares: what one tenant may have at once of what a gateway has for all, so that others find something left.

While requests need no key, all clients are one tenant. Then nobody has a share, and the limit of all is the only one.
"""

from services.gateway.processes.counters import Counters


class Share:
    """What each tenant may have of one thing, in all processes of a gateway.

    Args:
        counters: where the processes count.
        name: of the thing.
        most: what one tenant may have.
    """

    def __init__(self, counters: Counters, name: str, most: int) -> None:
        self._counters = counters
        self._name = name
        self._most = most

    def try_take(self, owner: str, amount: int) -> bool:
        """Count more for a tenant, unless that would be more than its share; return whether it was counted.

        ``owner`` is empty for who has no share: a client that needs no key, or whose key is not known yet.
        """
        return not owner or self._counters.try_add_for(self._key(owner), amount, most=self._most)

    def give_back(self, owner: str, amount: int) -> None:
        """Count less for a tenant."""
        if owner and amount:
            self._counters.add_for(self._key(owner), -amount)

    def _key(self, owner: str) -> str:
        # No tenant has a space in its name, so no text is that of a tenant (`StreamLimit`) or of another share.
        return f"{self._name} {owner}"
