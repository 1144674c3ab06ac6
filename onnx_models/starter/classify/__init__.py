"""The starter for ``classify``: a small BERT that reads the sentiment of a sentence."""
