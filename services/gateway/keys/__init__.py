"""The `keys` command: API keys, and limits of tenants and keys."""
