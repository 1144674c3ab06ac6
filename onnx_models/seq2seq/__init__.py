"""Encoder-decoder models of texts, speech and images: their export, and the comparison with torch."""
