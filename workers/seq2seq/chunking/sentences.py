"""Splits texts into sentences by punctuation and a few rules, for any language, without a model of any.

Every line break ends a sentence, so that lines and paragraphs are kept; a text with hard-wrapped lines should be
unwrapped before. A doubtful full stop ends nothing: two sentences that the model reads together do less harm than one
that is split. Not found: sentences that end without punctuation (Thai), and full stops without a space after them.
"""

# ruff: noqa: RUF001  (punctuation of many languages is what this is about)

import re
from collections.abc import Iterator

from workers.runtime.tokenizing.reading import Check, no_check

CHECK_EVERY = 100
"""Lines, or marks that may end a sentence, between two checks: less than a millisecond, because it is all in Python."""
_CLOSING = "\"'”’»›)\\]}」』）】〉》"
_OPENING = "\"'“‘„‚«‹([{¿¡"
_END = re.compile(f"[.!?…]+[{_CLOSING}]*|[。！？｡．।۔؟։።၊။]+[{_CLOSING}]*")
"""Punctuation that may end a sentence, with closing quotes and brackets. The second alternative always ends one, even
without a space after it, which Chinese and Japanese do not have."""
_ALWAYS_ENDS = frozenset("。！？｡．।۔؟։።၊။")
# The line boundaries of `str.splitlines`.
_LINES = re.compile(r"[^\r\n\v\f\x1c-\x1e\x85\u2028\u2029]+|[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]+")
_LOOK_BACK = 32
"""Characters before and after a full stop that are examined. No abbreviation is longer, and the time for a line of a
megabyte stays linear."""
_TITLES = """
    Mr Mrs Ms Dr Prof St Mt Ft Gen Col Maj Capt Lt Sgt Rev Hon Sen Rep Gov Pres Messrs Mme Mlle Mgr Me Sr Sra Srta Dña
    Hr Fr Frl Ing Dipl Mag vs cf viz approx esp incl resp bzw ca evtl ggf inkl sog vgl zzgl geb av bd boul
"""
_NUMBERED_NOUNS = """
    no nos nr nrs núm fig figs abb eq eqs sec ch chap vol bd p pp s f ff art abs op tab
    jan feb mar apr jun jul aug sep sept oct okt nov dec dez
"""
_BEFORE_NAMES, _BEFORE_NUMBERS = frozenset(_TITLES.split()), frozenset(_NUMBERED_NOUNS.split())
"""Abbreviations in English, German, French and Spanish that end no sentence: a name or a number follows. Those of the
second kind need a digit after them, because "no." or "art." may also be a last word."""
_SENTENCE_START = re.compile(
    r"(?:The|This|That|These|Those|There|It|He|She|We|They|You|I|My|Our|His|Her|Its|Their|But|And|So|When|If)\b"
)
"""English words that have a capital letter only at the start of a sentence. If one follows "p.m.", the full stop there
ended a sentence."""
_GERMAN_ORDINAL = re.compile(
    r"(?:^|\s)(?:[Dd](?:er|ie|as|em|en|es)|[Aa][mb]|[Ii]m|[Zz]um|[Zz]ur|[Vv]om|[Bb]eim|[Bb]is|[Ss]eit)\s+\d{1,2}$"
)
_GERMAN_MONTH = re.compile(r"Januar|Februar|März|April|Mai|Juni|Juli|August|September|Oktober|November|Dezember")
_LAST_WORD = re.compile(r"[^\s/–—-]*$")
_LIST_MARK = re.compile(r"\s*[(\[]?(?:\d{1,3}|[A-Za-z]|[ivxIVX]{1,4})$")


def split_sentences(text: str, check: Check = no_check) -> Iterator[str]:
    """Yield the sentences of a text and the white space between them, in order; joined, they are the text.

    ``check`` is called now and then; it may raise an exception to stop.
    """
    # Not by `findall`: in a text of megabytes it would keep Python's lock for a second.
    for number, match in enumerate(_LINES.finditer(text), 1):
        if number % CHECK_EVERY == 0:
            check()
        line, start = match[0], 0
        for end in _ends(line, check):
            yield from filter(None, split_white_space(line[start:end]))
            start = end
        yield from filter(None, split_white_space(line[start:]))


def split_white_space(text: str) -> tuple[str, str, str]:
    """Return the white space before a text, the stripped text, and the white space after it."""
    stripped = text.strip()
    start = len(text) - len(text.lstrip())
    return text[:start], stripped, text[start + len(stripped) :]


def _ends(line: str, check: Check) -> Iterator[int]:
    """Yield where the sentences of a line end, except for the last one."""
    for number, match in enumerate(_END.finditer(line), 1):
        if number % CHECK_EVERY == 0:
            check()
        if match[0][0] in _ALWAYS_ENDS or _is_end(line, match.start(), match.end()):
            yield match.end()


def _is_end(line: str, start: int, end: int) -> bool:
    """Return whether the punctuation and closing marks in ``line[start:end]`` end a sentence."""
    # "10.0.0.1", "example.com"
    if not line[end : end + 1].isspace():
        return False
    following = line[end : end + _LOOK_BACK].lstrip().lstrip(_OPENING)
    # "Wait... what?", and "Really?" he said.
    if following[:1].islower():
        return False
    return line[start:end] != "." or not _is_abbreviated(line, start, following)


def _is_abbreviated(line: str, start: int, following: str) -> bool:
    """Return whether the full stop at ``start`` belongs to the word before it: an abbreviation, initial or ordinal.

    Args:
        line: the line.
        start: index of the full stop.
        following: what follows it, without white space and opening quotes.
    """
    before = line[max(0, start - _LOOK_BACK) : start]
    match = _LAST_WORD.search(before)
    word = match[0].lstrip(_OPENING) if match else ""
    # Behind "e.g." or "U.S." only a word that begins sentences says that this one has ended.
    if _is_dotted(word):
        return not _SENTENCE_START.match(following)
    # Titles with their case: "Me" is a French title, "me" an English word that may be the last one.
    if word in _BEFORE_NAMES or (len(word) == 1 and word.isupper()):
        return True
    if following[:1].isdigit() and word.casefold() in _BEFORE_NUMBERS:
        return True
    # "Am 3. Mai", "der 2. Versuch": but "I have 12. Then 13." are two sentences, so a number alone is not enough.
    if word.isdigit() and (_GERMAN_ORDINAL.search(before) or _GERMAN_MONTH.match(following)):
        return True
    # "1. First item": nothing but a number or a letter before the full stop.
    # Only so near to the start of the line does `before` reach back to it.
    return start < _LOOK_BACK and _LIST_MARK.fullmatch(before) is not None


def _is_dotted(word: str) -> bool:
    """Return whether a word is single letters with full stops between them: U.S, z.B, e.g, p.m."""
    letters = word.split(".")
    return len(letters) > 1 and all(len(letter) == 1 and letter.isalpha() for letter in letters)
