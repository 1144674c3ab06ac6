"""Make the tokenizers of the starter encoders: lower-case WordPiece over their own corpus.

Every character that people are likely to type is a token of its own, so that words outside the corpus become
letters, not ``[UNK]``.
"""

import string
from collections import Counter
from collections.abc import Iterable

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

_UNKNOWN = "[UNK]"
_SPECIAL = ["[PAD]", _UNKNOWN, "[CLS]", "[SEP]", "[MASK]"]
_GREEK = "αβγδεζηθικλμνξοπρσςτυφχψω"
_CYRILLIC = "абвгдежзийклмнопрстуфхцчшщъыьэюяієґ"
_LATIN = "ßæøœłđðþıħŋ"  # those that stay when accents are stripped
_SIGNS = "“”‘’„«»–—…•·°§©®™€£¥¢±×÷½¼¾²³µ¡¿←→↑↓✓★☆"  # noqa: RUF001 - typographic signs, meant as they are
_EMOJI = "😀😁😂😃😄😅😆😊😍😎😐😒😔😕😞😠😡😢😭😱🙂🙁🙄🤔🤮👍👎👏🙏💔❤🎉🔥✨"
# In the order of the ids, so a character may only be added together with new weights.
_SINGLES = [
    *string.ascii_lowercase,
    *string.digits,
    *string.punctuation,
    *_GREEK,
    *_CYRILLIC,
    *_LATIN,
    *_SIGNS,
    *_EMOJI,
]
_INNER_SINGLES = [*string.ascii_lowercase, *string.digits, *_GREEK, *_CYRILLIC, *_LATIN]
_MAX_WORDS, _MAX_STARTS, _MAX_INSIDES = 2000, 300, 600


def make_tokenizer(corpus: Iterable[str]) -> Tokenizer:
    """Return a tokenizer of about 3000 tokens that puts ``[CLS]`` and ``[SEP]`` around a text.

    Tokens are the most frequent words, the beginnings and insides that most words share, and single letters. They are
    counted here because the trainer of `tokenizers` breaks ties in another order each time it runs.
    """
    splitter, normalizer = pre_tokenizers.BertPreTokenizer(), normalizers.BertNormalizer(lowercase=True)
    counts: Counter[str] = Counter()
    for text in corpus:
        counts.update(word for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text)))
    pieces = dict.fromkeys([*_SPECIAL, *_SINGLES, *(f"##{letter}" for letter in _INNER_SINGLES)])
    pieces |= dict.fromkeys([*_most_frequent(counts, _MAX_WORDS), *_shared_pieces(counts)])
    tokenizer = Tokenizer(models.WordPiece({piece: index for index, piece in enumerate(pieces)}, unk_token=_UNKNOWN))
    tokenizer.normalizer, tokenizer.pre_tokenizer, tokenizer.decoder = normalizer, splitter, decoders.WordPiece()
    special = [(piece, tokenizer.token_to_id(piece)) for piece in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=special
    )
    return tokenizer


def _most_frequent(counts: Counter[str], max_pieces: int) -> list[str]:
    """Return what was counted more than twice, the most frequent first; the alphabet decides between equals."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    # A rarer word is cut into pieces, whose vectors other words train too.
    return [piece for piece, count in ordered[:max_pieces] if count > 2]


def _shared_pieces(words: Iterable[str]) -> list[str]:
    """Return the beginnings and insides of two to four letters that most words have."""
    starts: Counter[str] = Counter()
    insides: Counter[str] = Counter()
    for word in words:
        starts.update({word[:length] for length in (2, 3, 4)})
        insides.update({f"##{word[at : at + size]}" for size in (2, 3, 4) for at in range(1, len(word) - size + 1)})
    return [*_most_frequent(starts, _MAX_STARTS), *_most_frequent(insides, _MAX_INSIDES)]
