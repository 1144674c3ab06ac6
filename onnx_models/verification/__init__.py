"""Comparing a package's answers with those of its reference."""
