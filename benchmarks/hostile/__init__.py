"""Hostile and careless load on the real stack: what it costs, and what another client feels of it meanwhile."""
