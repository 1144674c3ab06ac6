"""What tenants and keys may ask for and hold: settings, what operators have set, checks of requests, and headers."""
