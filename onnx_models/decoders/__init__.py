"""Decoders: models that extend a text, with caches that grow in place."""
