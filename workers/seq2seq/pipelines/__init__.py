"""One pipeline for each task: request in, answer out."""
