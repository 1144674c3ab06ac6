"""The job store with very many jobs: what each of its calls costs then."""
