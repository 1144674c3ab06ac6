"""What the workers of a model can do, how much of it a lane gets, and so when a job will probably be done."""
