"""Sequences that are being generated: their prefill, their tokens and their text."""
