"""More load than the system can take: what is refused, what is accepted and done in time, and what others feel."""
