"""Image encoders, and models of images and texts."""
