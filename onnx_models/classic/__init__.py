"""Networks from before transformers: our own torch modules, exported the same way."""
