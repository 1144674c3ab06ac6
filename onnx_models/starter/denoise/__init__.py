"""The starter for ``denoise``: an LSTM with attention that corrects typing errors.

Sentences come from templates and errors from rules, so that the one right correction of each sentence is known.
"""
