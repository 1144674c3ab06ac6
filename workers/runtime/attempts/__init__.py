"""One attempt at a job: claim, run, finish."""
