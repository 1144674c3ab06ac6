"""Transformer-XL, which carries hidden states instead of keys and values."""
