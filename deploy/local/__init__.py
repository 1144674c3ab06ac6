"""The embedded stack: store, gateway and encoder worker as child processes of one supervisor, without Docker.

`make run` keeps it up, `make demo` runs one job of every task through it. Both start here, at
``python -m deploy.local run|demo``. Every hop of a job is the one of a real deployment; only who starts the
processes differs.
"""
