"""How much each flow has in hand: jobs, and memory for them. Step 4 on the path of a job."""

from collections.abc import Iterator

import msgspec

from contracts.jobs import Claim, Flow


class Holding(msgspec.Struct):
    """What one flow has in hand."""

    num_jobs: int = 0
    num_bytes: int = 0


class Holdings:
    """What the flows have that have anything. Kept up with each job, because it is asked for more often."""

    def __init__(self) -> None:
        self._holdings: dict[Flow, Holding] = {}

    def __len__(self) -> int:
        return len(self._holdings)

    def __iter__(self) -> Iterator[Flow]:
        return iter(self._holdings)

    def __getitem__(self, flow: Flow) -> Holding:
        return self._holdings[flow]

    def add(self, flow: Flow, claim: Claim) -> None:
        """Add a job of a flow."""
        holding = self._holdings.get(flow)
        if holding is None:
            holding = self._holdings[flow] = Holding()
        holding.num_jobs += 1
        holding.num_bytes += claim.num_bytes

    def remove(self, flow: Flow, claim: Claim) -> None:
        """Remove a job of a flow."""
        holding = self._holdings[flow]
        holding.num_jobs -= 1
        holding.num_bytes -= claim.num_bytes
        if not holding.num_jobs:
            del self._holdings[flow]
