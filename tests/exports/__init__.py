"""Exports in the environment that has torch: what they make, what they refuse, and models from a hub."""
