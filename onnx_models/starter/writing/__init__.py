"""What the starter decoder writes: poems, chats and small functions, each with a generator and a checker.

A generator writes texts by rule; its checker reads any text and tells whether the rules allow it. Pure Python: judging
needs no training library.
"""
