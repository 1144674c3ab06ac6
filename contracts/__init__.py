"""What crosses a process border: the job record, names, request types, errors, model packages.

Besides, there is what every process needs: settings, logs, the limits of its machine, its end with its parent.

Services and workers both import this package, and never each other. It uses the standard library, msgspec (the types
that validate a request are the types that travel, docs/decisions/0001), celery and redis; never Flask, numpy or
onnxruntime. Threads are started in `contracts.store` and `contracts.logs` only. The environment is read in
`contracts.settings` only and logs are set up in `contracts.logs` only, by the processes that call them.
"""
