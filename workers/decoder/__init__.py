"""The decoder worker: decoder-only models that continue texts and conversations."""
