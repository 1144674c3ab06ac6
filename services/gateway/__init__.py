"""The HTTP gateway: HTTP in, jobs in the store, HTTP out. ``app.py`` puts it together."""
