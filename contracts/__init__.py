"""What crosses a process border, and nothing more: the job record, names, request types, errors, model packages.

Services and workers both import this package, and never each other. It uses the standard library, msgspec (the types
that validate a request are the types that travel, docs/decisions/0001), celery and redis; never Flask, numpy or
onnxruntime. Threads are started in `contracts.store` only. The environment is read and logs are set up in
`contracts.settings` only, by the processes that call it.
"""
