"""The task routes: one for each row of ``contracts.tasks``, and the formats of their streams."""
