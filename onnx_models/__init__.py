"""The catalogue: makes model packages from transformers weights, checks them against torch, and lists them.

`export` and `verify` need the environment of ``requirements-export.txt``; the other commands run in a worker's
environment. Workers read the packages that this writes and never import it.
"""
