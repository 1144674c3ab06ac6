"""Decoder-only models: export, slot graphs, chat templates, and defaults of generation."""
