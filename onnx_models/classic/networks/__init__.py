"""Classic networks in torch, written so that the same module can be trained and traced into a graph."""
