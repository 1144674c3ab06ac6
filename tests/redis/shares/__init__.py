"""How tenants and lanes share a model, and what is admitted."""
