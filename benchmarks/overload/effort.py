"""How much is measured."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Effort:
    """The sizes of all cases."""

    num_rounds: int
    """Rounds of single requests on the idle system."""
    num_texts: int
    """Single texts of a flood."""
    most_s: float
    """Longest time in which single requests are sent while another tenant does its worst."""
    num_bombs: int
    inputs_of_a_bomb: int
    num_kinds: int
    """Kinds of jobs in a mix, at most."""
    capacity_s: float
    """For how long capacity is measured."""
    load_s: float
    """For how long jobs arrive at a multiple of it."""
    deadline_s: float
    """Of these jobs."""
    steady_s: float
    """For how long a queue of constant length is kept."""
    num_in_queue: int
    """That length: clients that wait for a job, and then for the next one."""
    num_bodies: int
    body_bytes: int
    num_waiting: int
    """Clients that wait for their jobs: more than a gateway has connections."""


FULL = Effort(
    num_rounds=40, num_texts=15_000, most_s=45.0, num_bombs=64, inputs_of_a_bomb=2048, num_kinds=8, capacity_s=15.0,
    load_s=60.0, deadline_s=20.0, steady_s=45.0, num_in_queue=96, num_bodies=110, body_bytes=(8 << 20) - 4096,
    num_waiting=3000,
)  # fmt: skip
QUICK = Effort(
    num_rounds=2, num_texts=60, most_s=2.0, num_bombs=2, inputs_of_a_bomb=32, num_kinds=3, capacity_s=1.0,
    load_s=1.5, deadline_s=2.0, steady_s=3.0, num_in_queue=8, num_bodies=2, body_bytes=1 << 20, num_waiting=30,
)  # fmt: skip
