"""Random sequences of calls and faults, compared with a model."""
