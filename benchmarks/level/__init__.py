"""The memory of a store that is small for its load, over minutes: it must become level before anything is refused."""
