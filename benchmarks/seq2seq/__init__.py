"""What encoder-decoders reach against ceilings and peers of the same run: ``python -m benchmarks.seq2seq``."""
