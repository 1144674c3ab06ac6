"""The worker process: command line, composition root, Celery transport, heartbeat."""
