"""The command line of the catalogue."""
