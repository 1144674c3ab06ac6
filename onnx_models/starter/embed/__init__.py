"""The starter for ``embed``: a small BERT whose vectors of paraphrases are near each other."""
