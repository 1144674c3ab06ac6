"""How every starter is trained: one loop, and what several of them share: tokenizers, batches, losses."""
