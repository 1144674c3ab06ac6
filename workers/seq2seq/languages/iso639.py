"""The languages that translation models know: codes, scripts and English names, from ISO 639 and ISO 15924.

The rows are in ``iso639.csv``. ``codes`` begins with the shortest ISO 639 code, which clients get to see; the others
are those of parts 2 and 3, of a macrolanguage or its most common member, and withdrawn ones. ``scripts`` begins with
the one that a code without a script means.
"""

import csv
from importlib import resources
from typing import NamedTuple

SCRIPTS = {
    "Arab": "Arabic", "Beng": "Bengali", "Bugi": "Buginese", "Cans": "syllabics", "Cyrl": "Cyrillic",
    "Deva": "Devanagari", "Hang": "Hangul", "Hans": "simplified", "Hant": "traditional", "Kore": "Korean",
    "Latn": "Latin", "Mong": "Mongolian", "Mtei": "Meitei", "Tfng": "Tifinagh",
}  # fmt: skip
"""Names of the scripts of languages that use more than one."""
SCRIPT_OF_REGION = {
    ("zh", "CN"): "Hans", ("zh", "SG"): "Hans", ("zh", "MY"): "Hans", ("zh", "TW"): "Hant", ("zh", "HK"): "Hant",
    ("zh", "MO"): "Hant", ("sr", "ME"): "Latn", ("az", "IR"): "Arab", ("pa", "PK"): "Arab", ("mn", "CN"): "Mong",
    ("ku", "IQ"): "Arab", ("uz", "AF"): "Arab", ("kk", "CN"): "Arab",
}  # fmt: skip
"""Script that a region implies, for languages that use more than one."""


class KnownLanguage(NamedTuple):
    """A row of ``iso639.csv``."""

    code: str
    scripts: tuple[str, ...]
    name: str


def _read() -> dict[str, KnownLanguage]:
    languages: dict[str, KnownLanguage] = {}
    table = (resources.files(__package__) / "iso639.csv").read_text("utf-8")
    for row in csv.DictReader(table.splitlines()):
        codes = row["codes"].split()
        languages |= dict.fromkeys(codes, KnownLanguage(codes[0], tuple(row["scripts"].split()), row["name"]))
    return languages


LANGUAGES: dict[str, KnownLanguage] = _read()
"""By each of their codes, in lower case."""
