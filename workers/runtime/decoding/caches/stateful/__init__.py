"""Caches of graphs that take the whole decoding state as inputs and return the next state as outputs."""
