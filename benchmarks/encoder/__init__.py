"""Figures of an encoder worker, the gateway and the store: ``python -m benchmarks``."""
