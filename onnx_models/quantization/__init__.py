"""Smaller weights: what converts a package's graphs, and what that costs."""
