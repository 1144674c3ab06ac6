"""How flows share what a worker has: rows of model calls, slots, threads. A flow is one tenant in one lane."""
