"""The catalogue: makes model packages from transformers weights, checks them against torch, and lists them.

Export and verify need the environment of ``requirements-export.txt``; listing needs only what a worker has. Workers
know this folder through the packages on disk, never by import.
"""
