"""What the job store promises, on real servers."""
