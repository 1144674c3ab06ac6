"""What the benchmarks of generating models share: models, jobs, clients, the contest of clients and peers."""
