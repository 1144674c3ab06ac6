"""Decoder-only models, which continue a text: their export, and the comparison with torch."""
