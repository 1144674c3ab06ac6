"""Transformer-XL, whose cache holds hidden states instead of keys and values."""
