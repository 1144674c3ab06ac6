"""KV caches and other decoding state, one module for each kind of graph."""
