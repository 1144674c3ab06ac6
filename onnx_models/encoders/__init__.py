"""Encoders: text and pictures to vectors, scores and spans."""
