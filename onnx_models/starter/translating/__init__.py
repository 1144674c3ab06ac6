"""What the starter translator learns from: numbers, dates, times and prices, said in four languages by exact rules.

`sentences` puts them into everyday sentences; each rule knows the exceptions of its language, and tests hold them
against examples written by hand.
"""

LANGUAGES = ("en", "fr", "de", "es")
TARGETS = ("fr", "de", "es")

Said = dict[str, str]
"""The same thing in each of `LANGUAGES`, by code."""
