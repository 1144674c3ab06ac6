"""Shares that are learned from the jobs of several tenants, as tokens of a character.

No tenant decides what the jobs of others cost: what is seen of one counts at most as much as all the rest, which is
what is seen of the others and what was known before. In an open gateway all are one tenant, who has nobody beside him.
"""

MAX_TENANTS = 32
"""Those that were not seen for longest are forgotten."""
FADING = 200
"""Jobs of a tenant after which an older one counts a third."""
SETTLING = 200
"""Jobs after which what they have shown counts as known before."""
_KEPT = 1 - 1 / FADING


class Share:
    """A share: ``part`` of something, as tokens, for each ``whole`` of something else, as characters.

    Args:
        known: as it is known before a job was seen.
        weight: how much that counts, in units of what the share is of.
    """

    def __init__(self, known: float, weight: float) -> None:
        self._known = known
        self._weight = weight
        self._num_new = 0
        self._seen: dict[str, tuple[float, float]] = {}
        """By tenant: what was seen of whole and part, older jobs fading. The one that was seen last is the last."""

    @property
    def was_seen(self) -> bool:
        """Whether a job has shown anything of it."""
        return bool(self._seen)

    def see(self, tenant: str, whole: float, part: float) -> None:
        """Learn from a job."""
        before = self._seen.pop(tenant, (0.0, 0.0))
        self._seen[tenant] = before[0] * _KEPT + whole, before[1] * _KEPT + part
        self._num_new += 1
        if len(self._seen) > MAX_TENANTS:
            del self._seen[next(iter(self._seen))]

    def learned(self) -> float:
        """Return the share as it is known now."""
        value = self._value()
        self._known += (value - self._known) * min(1.0, self._num_new / SETTLING)
        self._num_new = 0
        return value

    def _value(self) -> float:
        whole = sum(seen[0] for seen in self._seen.values())
        part = sum(seen[1] for seen in self._seen.values())
        most_whole, most_part = max(self._seen.values(), default=(0.0, 0.0))
        rest = whole - most_whole + self._weight
        if len(self._seen) > 1 and most_whole > rest:
            whole, part = 2 * rest - self._weight, part - most_part + most_part * rest / most_whole
        return (part + self._known * self._weight) / (whole + self._weight)
