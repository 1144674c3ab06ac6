"""The job store: the record's one reader and writer, its Lua scripts, the registry, the reaper and the Celery app."""
