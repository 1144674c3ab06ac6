"""The encoder worker: models that read an input in one call and do not generate text."""
