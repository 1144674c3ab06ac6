"""Tests of records: what clients read, what is kept for how long, and what is broken or old."""
