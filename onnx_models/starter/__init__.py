"""The starter models: tiny ones that come with the repository, and the scripts that made them.

They are here so that a fresh clone can serve something at once and tests can run without a download. All they know
comes from word lists and templates in this folder.
"""
