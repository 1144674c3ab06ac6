"""What the starter corrector learns from: sentences of a small world, and the errors that typing puts into them.

Sentences come from templates, errors from rules, so that the one right correction of each sentence is known.
"""
