"""Faults with real processes. A test proves that its fault loses no job, answers none twice and leaves none open."""
