"""The worker's answers are compared with the reference implementations that define them."""
