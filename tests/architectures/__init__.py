"""Every architecture that the catalogue claims: exported from tiny random weights and compared with its reference.

Needs the export environment, which runs these tests itself (`make test-export`); elsewhere they are not collected.
"""
