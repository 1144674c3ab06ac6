"""What crosses the queue, checked without any server."""
