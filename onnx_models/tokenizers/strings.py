# ruff: noqa: RUF001 - letters that look like others are meant
"""The texts on which two tokenizers must agree: made by rule, the same on every machine.

Each rule goes for something that tokenizers are known to differ in. `STRINGS` holds at least a thousand; a converted
tokenizer is asked about `strings_about` it besides.
"""

import itertools
import random
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

_SEED = 20260101
_SCRIPTS = {
    "latin": (0x61, 0x7A), "latin-1": (0xC0, 0xFF), "vietnamese": (0x1EA0, 0x1EF9), "greek": (0x391, 0x3CE),
    "cyrillic": (0x410, 0x45F), "armenian": (0x561, 0x586), "hebrew": (0x5D0, 0x5EA), "arabic": (0x620, 0x64A),
    "devanagari": (0x904, 0x94D), "bengali": (0x985, 0x9CD), "tamil": (0xB85, 0xBCD), "thai": (0xE01, 0xE3A),
    "tibetan": (0xF40, 0xF84), "georgian": (0x10D0, 0x10F6), "ethiopic": (0x1200, 0x1248), "khmer": (0x1780, 0x17B3),
    "hiragana": (0x3041, 0x3096), "katakana": (0x30A1, 0x30FA), "han": (0x4E00, 0x4FFF), "hangul": (0xAC00, 0xAE00),
    "jamo": (0x1100, 0x11FF), "half-width": (0xFF66, 0xFFDC), "full-width": (0xFF01, 0xFF5E),
    "compatibility": (0xFB00, 0xFB4F), "presentation": (0xFE70, 0xFEFC), "enclosed": (0x2460, 0x24FF),
    "letterlike": (0x2100, 0x218B), "superscript": (0x2070, 0x209C), "mathematical": (0x1D400, 0x1D4FF),
    "gothic": (0x10330, 0x1034A), "deseret": (0x10400, 0x1044F), "han-b": (0x20000, 0x20100),
}  # fmt: skip
_SPACES = [
    " ", "  ", "   ", "\t", "\n", "\r\n", "\n\n", "\v", "\f", "\x85", "\xa0", "\u1680", "\u2003", "\u2009", "\u200b",
    "\u200c", "\u200d", "\u2028", "\u202f", "\u2060", "\u3000", "\ufeff", "\xad", " \t ", " \u3000 ", "\u2581",
    " \u2581",
]  # fmt: skip
_UNKNOWN = ["\ue000", "\U000f0000", "\u0378", "\ufdd0", "\uffff", "\ufffd", "\U0001fbff", "ꙮ", "𓀀", "🜁"]
_SPECIAL = [
    "<s>", "</s>", "<unk>", "<pad>", "<mask>", "<extra_id_0>", "[MASK]", "<|endoftext|>", ">>fra<<", ">>xyz<<", ">>",
    "<<", ">>fra", "fra<<", ">><<", ">>a b<<", ">>fra<<>>deu<<", "__en__", "__xx__", "__", "eng_Latn", "xxx_Xxxx",
    "en_XX", "<0x0A>", "</s", "< /s>", "<S>",
]  # fmt: skip
_ORDINARY = [
    "The quick brown fox jumps over the lazy dog.", "I'm sure they've said: \"it isn't ours\" - don't you?",
    "Prices rose 3.5% to $1,234.56 on 2026-01-31 at 09:05.", "https://example.org/a_b?c=d&e=%20#f, me@example.org",
    "if (x >= 10 && y != null) { return a[i]++; } // done", "naïve café, Straße, Ærøskøbing, señor, œuvre",
    "“Quoted” – ‘single’ — dash… and ellipsis ... bullet • §4 ©®™", "Привет, как дела? Ёлка и съезд.",
    "今日はいい天気ですね。東京タワーへ行きました。", "안녕하세요, 반갑습니다. 한국어 문장입니다.",
    "مرحبا بالعالم، كيف حالك؟ ١٢٣", "नमस्ते दुनिया, क्या हाल है? १२३", "สวัสดีชาวโลก วันนี้อากาศดี", "Γειά σου Κόσμε, τι κάνεις;",
    "שלום עולם, מה שלומך?",
    "½ ¼ ² ³ ﬁ ﬂ № ℡ ㎏ ㌔ Ⅻ ① ﷺ", "👩‍👩‍👧‍👦 👍🏽 🇫🇷🇩🇪 ☺️ 1️⃣ 🏴‍☠️", "ＦＵＬＬ　ｗｉｄｔｈ １２３，．！？", "ｶﾞｷﾞｸﾞ ﾊﾟﾋﾟ",
]  # fmt: skip
_PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"


def _words(rng: random.Random) -> Iterator[str]:
    """Each script: words alone and in sentences, with what is not assigned left in."""
    for first, last in _SCRIPTS.values():
        for num_words in (1, 1, 2, 4, 7, 12):
            words = ("".join(chr(rng.randint(first, last)) for _ in range(rng.randint(1, 9))) for _ in range(num_words))
            yield " ".join(words) + rng.choice(("", ".", "?", "!", ", 42", "…"))


def _combined(rng: random.Random) -> Iterator[str]:
    """Letters under piles of marks, in both of Unicode's forms and in orders that are neither."""
    marks = [
        chr(code) for code in (*range(0x300, 0x315), 0x323, 0x327, 0x328, 0x338, 0x342, 0x345, 0x5B4, 0x64B, 0x93C)
    ]
    for _ in range(90):
        yield "".join(
            rng.choice("aeioucnszyAEOαωиשاक") + "".join(rng.choices(marks, k=rng.choice((0, 1, 1, 2, 3, 6))))
            for _ in range(rng.randint(1, 8))
        )
    for text in _ORDINARY:
        yield unicodedata.normalize("NFD", text)
        yield unicodedata.normalize("NFKD", text)


def _spaced() -> Iterator[str]:
    for space in _SPACES:
        yield from (space, f"{space}a", f"a{space}", f"a{space}b", f"one {space}two{space} {space}three.{space}")


def _controls() -> Iterator[str]:
    for code in (*range(0x20), *range(0x7F, 0xA0), *range(0x200E, 0x2010), *range(0x202A, 0x202F)):
        yield f"a{chr(code)}b {chr(code)} c"


def _long(rng: random.Random) -> Iterator[str]:
    """Runs of one character, of syllables, and words without end: many ways to cut them are equally good."""
    for character, length in itertools.product("aehmоの!?.-_=*0 9", (2, 3, 5, 8, 13, 34)):
        yield character * length
    for syllable, length in itertools.product(("ha", "la ", "na", "abc", "12", "..!", "かな", "xyzzy"), (3, 4, 7, 20)):
        yield syllable * length
    for length in (20, 40, 80, 160, 300):
        yield "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=length))
        yield "".join(rng.choices("etaoinshrdlu", k=length)).capitalize() + " is a word."


def _numbers(rng: random.Random) -> Iterator[str]:
    for length in range(1, 13):
        yield "".join(rng.choices("0123456789", k=length))
        yield f"{rng.randrange(10**length):,} {rng.random():.{length}f} -{length}e{length} {length}/{length * 7}"
    for character in _PUNCTUATION:
        yield f"{character} a{character} {character}b a{character}b {character * 3}"
    for _ in range(30):
        yield "".join(rng.choices(_PUNCTUATION + "a1 ", k=rng.randint(2, 25)))


def _unknown() -> Iterator[str]:
    for character in _UNKNOWN:
        yield from (
            character,
            character * 3,
            f"a{character}b",
            f"a {character} {character}{character} b",
            f"{character}.",
        )
    yield "".join(_UNKNOWN)
    yield " ".join(_UNKNOWN)


def _special(tokens: Sequence[str]) -> Iterator[str]:
    for token in tokens:
        yield from (
            token, f"{token} a word", f"a word {token}", f"a {token} word", f"a{token}word", f" {token} ",
            f"{token}{token}",
        )  # fmt: skip


def _mixed(rng: random.Random, parts: Sequence[str], number: int) -> Iterator[str]:
    for _ in range(number):
        yield rng.choice(("", " ", "; ")).join(rng.choices(parts, k=rng.randint(2, 5)))


def _all() -> tuple[str, ...]:
    rng = random.Random(_SEED)  # noqa: S311 - texts, not secrets
    parts = [
        "", *_ORDINARY, *_words(rng), *_combined(rng), *_spaced(), *_controls(), *_long(rng), *_numbers(rng),
        *_unknown(), *_special(_SPECIAL),
    ]  # fmt: skip
    return tuple(dict.fromkeys([*parts, *_mixed(rng, parts, 250)]))


STRINGS = _all()


def strings_about(tokenizer: Any) -> list[str]:
    """Return texts with a tokenizer's own special tokens, as transformers has them, and with a sample of its pieces."""
    rng = random.Random(_SEED)  # noqa: S311
    pieces = sorted(tokenizer.get_vocab())
    sample = [piece.replace("▁", " ") for piece in rng.sample(pieces, min(len(pieces), 300))]
    special = [*_special(rng.sample(sorted(tokenizer.get_added_vocab()), min(len(tokenizer.get_added_vocab()), 12)))]
    return list(dict.fromkeys([*special, *sample, *_mixed(rng, [*sample, *special], 200)]))
