"""Services that face clients. They know the contracts, and never the workers."""
