"""Caches of slot graphs, which update one preallocated buffer per tensor in place."""
