"""The decoder worker: models that continue texts and conversations."""
