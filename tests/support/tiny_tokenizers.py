"""One small tokenizer for each way in which tokens become text, made in a few milliseconds."""

from collections.abc import Callable

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

TEXTS = [
    "the cat sat on the mat, the dog didn't",
    "  two  spaces\nand a line",
    "größer naïve 日本語の文 नमस्ते दुनिया",
    "emoji 😀👩‍👩‍👧 🇫🇷 end",
]
SPACE = "▁"
BOTH = ["<s>", "</s>"]


def byte_level() -> Tokenizer:
    """GPT-2, Llama 3, Bloom: tokens are bytes, so a token may end within a character."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=330, initial_alphabet=alphabet, special_tokens=["<s>", "</s>"])
    _trained(tokenizer, trainer)
    tokenizer.add_tokens([AddedToken("  ", normalized=False), AddedToken("<tool>", normalized=False)])
    return tokenizer


def byte_fallback() -> Tokenizer:
    """Llama 2, Mistral, Gemma: characters without a piece become byte tokens; the first space of a text is dropped."""
    words = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    pieces = [SPACE, SPACE * 2, "▁the", "the", "▁cat", "s", "a", "t", "▁a", ".", "▁日", "é", "\ufffd"]
    tokenizer = Tokenizer(
        models.BPE({word: id_ for id_, word in enumerate(words + pieces)}, [], unk_token="<unk>", byte_fallback=True)
    )
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.add_special_tokens(["<unk>", "<s>", "</s>"])
    return tokenizer


def metaspace() -> Tokenizer:
    """XGLM, T5: SentencePiece's pieces; the spaces of a text's first piece are dropped."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=120, special_tokens=["<unk>", *BOTH], unk_token="<unk>")
    return _trained(tokenizer, trainer)


def word_pieces() -> Tokenizer:
    """BERT as a decoder: a space before each piece without ``##``, none before punctuation."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(vocab_size=140, special_tokens=["[UNK]", "[CLS]", "[SEP]"])
    return _trained(tokenizer, trainer)


def word_ends() -> Tokenizer:
    """The first GPT: ``</w>`` ends a word, and becomes a space only when another token follows."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.BPEDecoder(suffix="</w>")
    trainer = trainers.BpeTrainer(vocab_size=140, special_tokens=["<unk>"], end_of_word_suffix="</w>")
    return _trained(tokenizer, trainer)


def whole_words() -> Tokenizer:
    """Transformer-XL: tokens are words; without a decoder they are joined with spaces."""
    tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.train_from_iterator(TEXTS, trainers.WordLevelTrainer(special_tokens=["<unk>", "<eos>"]))
    return tokenizer


def _trained(tokenizer: Tokenizer, trainer: trainers.Trainer) -> Tokenizer:
    trainer.show_progress = False
    tokenizer.train_from_iterator(TEXTS * 3, trainer)
    return tokenizer


BUILDS: list[Callable[[], Tokenizer]] = [byte_level, byte_fallback, metaspace, word_pieces, word_ends, whole_words]
