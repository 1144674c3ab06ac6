"""Language codes, and how each model family is told its languages."""
