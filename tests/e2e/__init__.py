"""Tests of the whole: the README as its reader meets it, and processes working together."""
