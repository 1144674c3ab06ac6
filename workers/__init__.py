"""Workers that run models. They know the contracts, and never the services."""
