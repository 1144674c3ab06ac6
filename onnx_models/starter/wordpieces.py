"""Train the starters' tokenizer: lower-case WordPiece over their own sentences, with pieces for any other text.

Every letter and sign that people are likely to type gets a piece of its own, so text that the sentences never had
becomes letters, not ``[UNK]``.
"""

import string
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

_UNKNOWN = "[UNK]"
_SPECIAL = ["[PAD]", _UNKNOWN, "[CLS]", "[SEP]", "[MASK]"]
_GREEK = "αβγδεζηθικλμνξοπρσςτυφχψω"
_CYRILLIC = "абвгдежзийклмнопрстуфхцчшщъыьэюяієґ"
_LATIN = "ßæøœłđðþıħŋ"  # those that stay when accents are stripped
_SIGNS = "“”‘’„«»–—…•·°§©®™€£¥¢±×÷½¼¾²³µ¡¿←→↑↓✓★☆"  # noqa: RUF001 - typographic signs, meant as they are
_EMOJI = "😀😁😂😃😄😅😆😊😍😎😐😒😔😕😞😠😡😢😭😱🙂🙁🙄🤔🤮👍👎👏🙏💔❤🎉🔥✨"


def train_tokenizer(sentences: Iterable[str], max_pieces: int) -> Tokenizer:
    """Return a tokenizer with at most ``max_pieces`` pieces that puts ``[CLS]`` and ``[SEP]`` around a text."""
    tokenizer = Tokenizer(models.WordPiece(unk_token=_UNKNOWN))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    alphabet = [*string.ascii_lowercase, *string.digits, *string.punctuation]
    trainer = trainers.WordPieceTrainer(
        vocab_size=max_pieces,
        min_frequency=2,
        special_tokens=_SPECIAL,
        initial_alphabet=[*alphabet, *_GREEK, *_CYRILLIC, *_LATIN, *_SIGNS, *_EMOJI],
        show_progress=False,
    )
    tokenizer.train_from_iterator(sentences, trainer)
    return _with_inner_letters(tokenizer, [*string.ascii_lowercase, *string.digits, *_GREEK, *_CYRILLIC, *_LATIN])


def _with_inner_letters(tokenizer: Tokenizer, letters: list[str]) -> Tokenizer:
    """Add the piece ``##x`` of every letter: the trainer adds only those it met, and one lacking makes a word [UNK]."""
    pieces = tokenizer.get_vocab()
    ordered = sorted(pieces, key=pieces.__getitem__)
    ordered += [f"##{letter}" for letter in letters if f"##{letter}" not in pieces]
    vocabulary = {piece: index for index, piece in enumerate(ordered)}
    tokenizer.model = models.WordPiece(vocabulary, unk_token=_UNKNOWN, max_input_chars_per_word=100)
    tokenizer.decoder = decoders.WordPiece()
    special = [(piece, vocabulary[piece]) for piece in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=special
    )
    return tokenizer


def save_for_transformers(tokenizer: Tokenizer, folder: Path, max_tokens: int) -> None:
    """Write the tokenizer beside a model's weights, in the files that transformers reads."""
    from transformers import BertTokenizerFast

    BertTokenizerFast(tokenizer_object=tokenizer, do_lower_case=True, model_max_length=max_tokens).save_pretrained(
        folder
    )
