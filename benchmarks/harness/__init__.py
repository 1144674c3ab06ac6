"""What all benchmarks share: the started processes, HTTP clients, the machine, figures and how they are printed."""
