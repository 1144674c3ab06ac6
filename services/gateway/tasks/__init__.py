"""One route for each task, answered in the task's own shape."""
