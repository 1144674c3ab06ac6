"""Host memory for what is saved of paused groups, of all models of a worker together."""


class SavedMemory:
    """Counts what is saved, and knows how much may be. Groups that don't fit keep their slots.

    Only the inference thread counts; the limit is set by whoever loads a model.
    """

    def __init__(self) -> None:
        self.used_bytes = 0
        self.max_bytes = 1 << 62
