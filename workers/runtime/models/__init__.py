"""Which model packages a worker serves, and in which version."""
