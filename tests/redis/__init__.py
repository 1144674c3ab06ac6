"""Tests of the job store, on real servers."""
