"""Export of tiny random models of every supported architecture, compared with their references.

Needs the export environment, which runs these tests itself (`make test-export`); elsewhere they are not collected.
"""
