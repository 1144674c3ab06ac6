"""How many processes one gateway has, unless a setting says it."""

from contracts.machine import available_cpus, memory_limit_bytes

MAX_BY_DEFAULT = 4
"""Workers and store need CPUs as well, and each process costs memory and connections to the store."""
BYTES_PER_PROCESS = 256 * 2**20
"""Memory that the container must have for each: at rest a process has a fifth of it, the rest is for requests."""


def default_processes() -> int:
    """Return the number for this machine or container: its CPUs, at most four, and one where memory is short."""
    return max(1, min(MAX_BY_DEFAULT, available_cpus(), memory_limit_bytes() // BYTES_PER_PROCESS))
