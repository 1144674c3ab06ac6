"""The HTTP server: gunicorn, set up in code."""
