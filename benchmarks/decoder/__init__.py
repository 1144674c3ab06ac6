"""Figures of text generation with decoders: ``python -m benchmarks.decoder``."""
