"""Figures of encoder-decoders: ``python -m benchmarks.seq2seq``."""
