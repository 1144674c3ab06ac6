"""Minutes of chaos: a whole stack under load whose processes are killed, frozen and terminated at random.

`make chaos` runs ten minutes of it, a test two. Clients know the stack by HTTP only. At the end each job that was
accepted must have one end and one answer, that of a run without faults, and the store must hold nothing else.
"""
