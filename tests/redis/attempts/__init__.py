"""Tests of what workers do with jobs, and of what happens when they die."""
