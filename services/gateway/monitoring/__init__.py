"""Health, metrics, and what the gateway knows of the store and of live workers."""
