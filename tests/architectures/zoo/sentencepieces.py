"""Tiny tokenizers of the SentencePiece family, with the files that transformers' Python tokenizers read.

They have the properties that make real ones hard to convert: ids that come from a table and not from the SentencePiece
model, pieces that only one of the two has, characters that nobody has, and tokens for languages.
"""

import io
import json
import random
from pathlib import Path

import sentencepiece
from transformers import M2M100Tokenizer, MarianTokenizer, NllbTokenizer, PreTrainedTokenizer
from transformers.models.m2m_100.tokenization_m2m_100 import FAIRSEQ_LANGUAGE_CODES

_ALPHABETS = {
    "latin": ("bcdfglmnprstv", "aeiouéöã"),
    "cyrillic": ("бвгдклмнпрст", "аеиоуыя"),
    "greek": ("βγδκλμνπρστ", "αεηιουά"),
    "arabic": ("بتجدرسعفكلم", "اوي"),
    "devanagari": ("कखगतदनपमरस", "ािेो"),
    "kana": ("", "あいうかきくさしすたてとなにのまみもらりるん"),
    "han": ("", "人大小日月山水火木金土天中国学生年上下出"),
    "hangul": ("", "가나다라마바사아자한국어은는이를"),
}
"""Letters that begin a syllable and letters that end it."""
_EUROPE = ("latin", "cyrillic", "greek")
_ELSEWHERE = ("latin", "arabic", "devanagari", "kana", "han", "hangul")
_SCRIPTS = tuple(_ALPHABETS)


def sentences(scripts: tuple[str, ...], number: int, seed: int) -> list[str]:
    """Return made-up sentences, a script each in turn; rare characters stay below every tokenizer's coverage."""
    rng = random.Random(seed)
    words = {script: [_word(script, rng) for _ in range(60)] for script in scripts}
    found = []
    for index in range(number):
        script = scripts[index % len(scripts)]
        chosen = rng.choices(words[script], weights=range(60, 0, -1), k=rng.randint(3, 9))
        ending = rng.choice((".", "?", "!", ", 7.", " (12).", " - 2025", " @"))
        found.append(" ".join(chosen).capitalize() + ending)
    return [*found, "Ω≈ç√ ∫≠µ ☃ ♞ ∞"]


def _word(script: str, rng: random.Random) -> str:
    starts, ends = _ALPHABETS[script]
    return "".join(rng.choice(starts or ends) + rng.choice(ends) for _ in range(rng.randint(1, 3)))


def train(texts: list[str], path: Path, size: int, kind: str, **options: object) -> list[str]:
    """Write a SentencePiece model and return its pieces in the order of its ids."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_writer=model,
        vocab_size=size,
        model_type=kind,
        character_coverage=0.999,
        num_threads=1,
        minloglevel=2,
        **options,
    )
    path.write_bytes(model.getvalue())
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    return [processor.id_to_piece(index) for index in range(processor.get_piece_size())]


def marian(folder: Path, languages: tuple[str, ...] = ("fra", "deu", "cmn_Hans")) -> PreTrainedTokenizer:
    """Unigram pieces, one model for each side and one table for both; ``>>fra<<`` before a text chooses the target.

    ``languages`` empty: a bilingual model, whose table has no such tokens. Some pieces are not in the table.
    """
    source = train(sentences(_EUROPE, 900, 1), folder / "source.spm", 320, "unigram")
    target = train(sentences(_ELSEWHERE, 900, 2), folder / "target.spm", 360, "unigram")
    rng = random.Random(3)
    pieces = sorted({*source, *target} - {"<unk>", "<s>", "</s>", "7", "@", "?"})
    rng.shuffle(pieces)
    codes = [f">>{language}<<" for language in languages]
    table = ["</s>", "<unk>", *pieces[: len(pieces) // 2], *codes, *pieces[len(pieces) // 2 :]]
    table = [piece for piece in table if len(piece) == 1 or piece in codes or rng.random() < 0.95 or piece[0] == "<"]
    _write_table(folder / "vocab.json", [*table, "<pad>"])
    files = {"source_spm": "source.spm", "target_spm": "target.spm", "vocab": "vocab.json"}
    paths = {name: str(folder / file) for name, file in files.items()}
    return _saved(folder, MarianTokenizer(**paths, model_max_length=64))


def m2m100(folder: Path) -> PreTrainedTokenizer:
    """Pairs merged bottom-up and a table in another order; ``__en__`` before a text names its language."""
    pieces = train(sentences(_SCRIPTS, 1200, 4), folder / "sentencepiece.bpe.model", 480, "bpe")
    rng = random.Random(5)
    shuffled = [piece for piece in pieces[3:] if len(piece) == 1 or rng.random() < 0.95]
    rng.shuffle(shuffled)
    _write_table(folder / "vocab.json", ["<s>", "<pad>", "</s>", "<unk>", *shuffled])
    tokenizer = M2M100Tokenizer(
        str(folder / "vocab.json"),
        str(folder / "sentencepiece.bpe.model"),
        src_lang="en",
        additional_special_tokens=[f"__{code}__" for code in FAIRSEQ_LANGUAGE_CODES["m2m100"]],
        model_max_length=64,
    )
    return _saved(folder, tokenizer)


def nllb(folder: Path, *, legacy_behaviour: bool = False) -> PreTrainedTokenizer:
    """Pairs merged bottom-up with the model's own ids; ``eng_Latn`` stands before a text, or behind it (legacy)."""
    train(sentences(_SCRIPTS, 1200, 6), folder / "sentencepiece.bpe.model", 480, "bpe")
    tokenizer = NllbTokenizer(
        str(folder / "sentencepiece.bpe.model"),
        src_lang="eng_Latn",
        legacy_behaviour=legacy_behaviour,
        model_max_length=64,
    )
    return _saved(folder, tokenizer)


def _write_table(path: Path, pieces: list[str]) -> None:
    table = {piece: index for index, piece in enumerate(pieces)}
    path.write_text(json.dumps(table, ensure_ascii=False), encoding="utf-8")


def _saved(folder: Path, tokenizer: PreTrainedTokenizer) -> PreTrainedTokenizer:
    tokenizer.save_pretrained(folder)
    return tokenizer
