"""The starter for ``generate``: a small Llama that writes poems, chats and small functions.

Each register has a generator, which writes texts by rules, and a checker, which decides whether any text obeys them.
"""
