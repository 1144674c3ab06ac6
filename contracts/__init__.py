"""What crosses the queue, and nothing more: the job record, names, request types, errors, the Celery app.

Knows the standard library, msgspec (the types that validate are the types that travel, docs/decisions/0001), celery
and redis; never Flask, numpy or onnxruntime. Services and workers both import it, and never each other.
"""
