"""Whether several flows keep an engine busy, or one of them does. Calls are short beside a single one."""

from collections.abc import Hashable, Iterable, Mapping


def is_crowded(waiting: Iterable[tuple[Mapping[Hashable, int], int]]) -> bool:
    """Return whether the rows of all flows but the one of which most waits fill a short call.

    A flow that has less waiting is not what keeps the engine busy: it waits for calls of that one.

    Args:
        waiting: of each queue, sums of the lengths of rows by flow, and the length of a short call of its model, by
            which rows of several models add up. No more flows are looked at than it takes to find out.
    """
    of_flows: dict[Hashable, float] = {}
    of_all = of_largest = 0.0
    for lengths, short in waiting:
        for flow, length in lengths.items():
            of_all += length / short
            of_flows[flow] = of_flows.get(flow, 0.0) + length / short
            of_largest = max(of_largest, of_flows[flow])
            if of_all - of_largest >= 1:
                return True
    return False
