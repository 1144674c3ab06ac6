"""Architectures that optimum does not export, or exports wrongly, taught to it: one module each, imported here."""
