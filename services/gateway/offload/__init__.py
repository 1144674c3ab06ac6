"""Runs work that takes much processor time outside of the process whose one event loop serves all clients."""
