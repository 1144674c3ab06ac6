"""Dynamic batching for models that answer a row in one call."""
