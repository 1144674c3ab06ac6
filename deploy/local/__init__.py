"""The local stack: store, gateway and workers as child processes of one supervisor, without Docker.

`make run` keeps it up, and `make demo` runs one job of every task on it. Both start
``python -m deploy.local run|demo``. A job takes the same path as in a real deployment; only the start of the processes
differs.
"""
