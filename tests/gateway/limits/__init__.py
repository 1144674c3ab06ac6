"""What tenants and keys may have, and the ledger of what they took, over HTTP."""
