"""Processes for programs that come with a package, with nothing to read, to write to or to connect to."""
