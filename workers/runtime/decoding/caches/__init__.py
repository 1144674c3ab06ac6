"""KV caches and other decoding state, with one implementation for each kind of graph."""
