"""Image encoders, and speech encoders with CTC."""
