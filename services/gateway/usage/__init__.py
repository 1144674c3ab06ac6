"""`GET /v1/usage`: what the ended jobs of a tenant have taken, or for an admin key those of all tenants."""
