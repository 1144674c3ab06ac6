"""What the three kinds of workers share: packages, sessions, tokenizing, batching, and the harness of a job.

Never imports Flask; only the harness and the worker process know Celery.
"""
