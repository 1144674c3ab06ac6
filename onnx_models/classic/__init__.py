"""Networks from before transformers: torch modules of our own, which are exported and verified like all others."""
