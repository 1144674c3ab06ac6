"""Comparison of a package's outputs with those of its reference."""
