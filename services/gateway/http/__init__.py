"""HTTP itself: bodies, query parameters, preferences, errors and the table of operations."""
