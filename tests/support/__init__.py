"""Helpers that tests of several folders share: servers on free ports, tiny packages, and waits with deadlines."""
