"""Caches of encoder-decoders: the encoder reads the source once, then the decoder generates from it."""
