"""The starter models: tiny ones that come with the repository, and the scripts that made them.

They exist so that a fresh clone serves something at once, and tests run without a download. Each folder is named after
its task and has the corpus of its model, made from word lists and templates by rules, the training and the evaluation.
"""
