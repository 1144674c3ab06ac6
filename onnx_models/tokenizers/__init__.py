"""Tokenizers that transformers only has in Python, turned into tokenizer.json."""
