"""The starter for ``translate``: a small T5 for numbers, dates, times, prices and everyday sentences with them.

The corpus comes from exact rules, which know the exceptions of each language. Tests compare them with translations
written by hand.
"""
