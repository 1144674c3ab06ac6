"""Server-sent events: from the events of a job to the stream of one client."""
