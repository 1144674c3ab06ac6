"""What text generation reaches against ceilings and peers of the same run: ``python -m benchmarks.decoder``."""
