"""Faults with real processes. Each test names its fault and proves: nothing lost, nothing twice, nothing for ever."""
