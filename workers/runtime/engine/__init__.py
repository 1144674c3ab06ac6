"""What the batching engine and the decoding engine have in common: request handles, figures, and the work of a task."""
