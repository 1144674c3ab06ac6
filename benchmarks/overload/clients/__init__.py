"""The clients: those who send more than the system can take, and one who sends a little meanwhile."""
