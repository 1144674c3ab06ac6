"""Language codes, and how each model family is given its source and target language."""
