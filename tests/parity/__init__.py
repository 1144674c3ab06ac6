"""What the worker's own code path answers, against the reference that the answers are defined by."""
