"""Encoder-decoders: export and slot graphs."""
