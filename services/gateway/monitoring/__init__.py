"""Health, metrics, the lag of the event loop, and cached facts of the store."""
