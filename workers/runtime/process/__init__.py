"""The process of a worker: its start and end, Celery, the heartbeat and the watchdog."""
