"""Logs of gateways and workers: their formats, their settings, and a limit on floods of lines."""
