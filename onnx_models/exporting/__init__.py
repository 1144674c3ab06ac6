"""From weights to a model package."""
