"""Continuous batching of generation: all jobs share every decode step, and join and leave between steps."""
