"""Scheduling: which sequences share the next model call, and who waits."""
