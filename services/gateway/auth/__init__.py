"""API keys: how they are stored, checked and managed."""
