"""The heartbeat of a worker: a process of its own, what it is told, and how it knows that the worker lives."""
