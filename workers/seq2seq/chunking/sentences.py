"""Where sentences end: by punctuation and a few rules, for any language, without a model of any.

Every line break ends a sentence, so that lines and paragraphs stay what they are; a text that is wrapped to a width is
better unwrapped before. A doubtful full stop ends nothing: two sentences that are read together do less harm than one
that is torn apart. Not found: ends without punctuation (Thai), and full stops without a space behind.
"""

# ruff: noqa: RUF001  (punctuation of many languages is what this is about)

import re
from collections.abc import Iterator

_CLOSING = "\"'”’»›)\\]}」』）】〉》"
_OPENING = "\"'“‘„‚«‹([{¿¡"
_END = re.compile(f"[.!?…]+[{_CLOSING}]*|[。！？｡．।۔؟։።၊။]+[{_CLOSING}]*")
"""The second alternative ends a sentence whatever comes behind it."""
_ALWAYS = frozenset("。！？｡．।۔؟։።၊။")
_LINES = re.compile(r"[^\r\n\v\f\x1c-\x1e\x85\u2028\u2029]+|[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]+")
_LOOK_BACK = 32
"""Characters before a full stop that are looked at; no abbreviation is longer."""
_NAMED = """
    Mr Mrs Ms Dr Prof St Mt Ft Gen Col Maj Capt Lt Sgt Rev Hon Sen Rep Gov Pres Messrs Mme Mlle Mgr Me Sr Sra Srta Dña
    Hr Fr Frl Ing Dipl Mag vs cf viz approx esp incl resp bzw ca evtl ggf inkl sog vgl zzgl geb av bd boul
"""
_NUMBERED = """
    no nos nr nrs núm fig figs abb eq eqs sec ch chap vol bd p pp s f ff art abs op tab
    jan feb mar apr jun jul aug sep sept oct okt nov dec dez
"""
_BEFORE_NAMES, _BEFORE_NUMBERS = frozenset(_NAMED.split()), frozenset(_NUMBERED.split())
"""Abbreviations that nothing ends with: a name or a number follows."""
_BEGINNING = re.compile(
    r"(?:The|This|That|These|Those|There|It|He|She|We|They|You|I|My|Our|His|Her|Its|Their|But|And|So|When|If)\b"
)
"""English words with a capital letter that only begin sentences; behind "p.m." they say that it has ended one."""
_GERMAN_ORDINAL = re.compile(
    r"(?:^|\s)(?:[Dd](?:er|ie|as|em|en|es)|[Aa][mb]|[Ii]m|[Zz]um|[Zz]ur|[Vv]om|[Bb]eim|[Bb]is|[Ss]eit)\s+\d{1,2}$"
)
_GERMAN_MONTH = re.compile(r"Januar|Februar|März|April|Mai|Juni|Juli|August|September|Oktober|November|Dezember")
_LAST_WORD = re.compile(r"[^\s/–—-]*$")
_LIST_MARK = re.compile(r"\s*[(\[]?(?:\d{1,3}|[A-Za-z]|[ivxIVX]{1,4})$")


def sentences(text: str) -> list[str]:
    """Return the sentences of a text and the white space between them, in order; joined, they are the text."""
    parts: list[str] = []
    for line in _LINES.findall(text):
        start = 0
        for end in _ends(line):
            parts += _peeled(line[start:end])
            start = end
        parts += _peeled(line[start:])
    return parts


def _peeled(part: str) -> list[str]:
    """Return what is before, within and behind the outer white space, without what is empty."""
    inner = part.strip()
    if not inner:
        return [part] if part else []
    start = len(part) - len(part.lstrip())
    return [piece for piece in (part[:start], inner, part[start + len(inner) :]) if piece]


def _ends(line: str) -> Iterator[int]:
    """Yield where the sentences of a line end, the last one aside."""
    for match in _END.finditer(line):
        if match[0][0] in _ALWAYS or _is_end(line, match.start(), match.end()):
            yield match.end()


def _is_end(line: str, start: int, end: int) -> bool:
    """Return whether punctuation at ``start``, with its closing marks up to ``end``, ends a sentence."""
    if not line[end : end + 1].isspace():
        return False
    following = line[end : end + _LOOK_BACK].lstrip().lstrip(_OPENING)
    if following[:1].islower():
        return False
    return line[start:end] != "." or not _is_abbreviated(line, start, following)


def _is_abbreviated(line: str, start: int, following: str) -> bool:
    """Return whether the full stop at ``start`` belongs to the word before it: an abbreviation, initial or ordinal."""
    before = line[max(0, start - _LOOK_BACK) : start]
    match = _LAST_WORD.search(before)
    word = match[0].lstrip(_OPENING) if match else ""
    if _is_dotted(word):
        return not _BEGINNING.match(following)
    if word in _BEFORE_NAMES or (len(word) == 1 and word.isupper()):
        return True
    if following[:1].isdigit() and word.casefold() in _BEFORE_NUMBERS:
        return True
    if word.isdigit() and (_GERMAN_ORDINAL.search(before) or _GERMAN_MONTH.match(following)):
        return True
    return start < _LOOK_BACK and _LIST_MARK.fullmatch(before) is not None


def _is_dotted(word: str) -> bool:
    """Return whether a word is of single letters with full stops between: U.S, z.B, e.g."""
    letters = word.split(".")
    return len(letters) > 1 and all(len(letter) == 1 and letter.isalpha() for letter in letters)
