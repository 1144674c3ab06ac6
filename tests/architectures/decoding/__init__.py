"""The decoding engine, its caches and sampling with exported packages, against transformers."""
