"""What waits in the queues of models, how far ahead a job's turn is, and whether one more job may wait."""
