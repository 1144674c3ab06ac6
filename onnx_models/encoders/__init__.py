"""Encoders of texts, images and speech: their export, and the comparison with torch."""
