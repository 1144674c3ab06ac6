"""Server-sent events: from the events of a job to the stream that one client reads."""
