"""What Triptych reaches, measured against ceilings and peers in the same run: ``python -m benchmarks``."""
