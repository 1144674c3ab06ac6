"""One tokenizer for each way in which normalizers, pre-tokenizers and models are combined, trained in a moment."""

from collections.abc import Callable

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from tokenizers.pre_tokenizers import PreTokenizer

from workers.runtime.tokenizing.sentencepiece import PieceModel, SentencePieces

TEXTS = [
    "The quick brown fox jumps over the lazy dog. Don't stop, it's 10:45!",
    "Größe naïve Ærøskøbing façade; Straße und Fluß — “quoted” text… (see below)",
    "Съешь ещё этих мягких французских булок, да выпей чаю",
    "日本語の文章です。漢字とかな。 한국어 문장 입니다 नमस्ते दुनिया",
    "def function(x):\n    return x + 1\n\n\n  emoji 😀👩‍👩‍👧 end http://example.com/a?b=c",
    "aaaa aaa aa a hahahaha ........ 123456 1,000,000 !?!?!? x  y   z",
]
BPE_END = "</w>"
LLAMA_3 = "|".join(
    [
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    ]
)
CLIP = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
SPECIAL = ["<unk>", "<s>", "</s>"]


def bert(*, cased: bool = False) -> Tokenizer:
    """WordPiece with BERT's normalizer and pre-tokenizer."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=not cased, strip_accents=None)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer = _trained(tokenizer, trainers.WordPieceTrainer(special_tokens=["[UNK]", "[CLS]", "[SEP]", "[MASK]"]))
    tokenizer.add_special_tokens([AddedToken("[MASK]", lstrip=True)])
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    return tokenizer


def byte_level(*, prefix: bool, pattern: str | None = None) -> Tokenizer:
    """GPT-2 and RoBERTa; with a pattern, Llama 3 and GPT-4."""
    tokenizer = Tokenizer(models.BPE())
    bytes_ = pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=pattern is None)
    split = [pre_tokenizers.Split(Regex(pattern), "isolated")] if pattern else []
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*split, bytes_])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(special_tokens=SPECIAL, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer = _trained(tokenizer, trainer)
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True), "<|end|>"])
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 1), add_prefix_space=prefix)
    return tokenizer


def clip() -> Tokenizer:
    """CLIP: lower case, runs of white space as one, words that end with ``</w>``."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix=BPE_END))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(CLIP), "removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    trainer = trainers.BpeTrainer(
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        end_of_word_suffix=BPE_END,
    )
    return _trained(tokenizer, trainer)


def llama_2() -> Tokenizer:
    """Llama 2 and Mistral: no pre-tokenizer, a space before each text, bytes for unknown characters."""
    base = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    base.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    alphabet = [*(f"<0x{byte:02X}>" for byte in range(256))]
    base = _trained(base, trainers.BpeTrainer(special_tokens=[*SPECIAL, *alphabet]))
    base.pre_tokenizer = None
    base.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    return base


def unigram(*, prepend: str = "always", collapse: bool = True, split: bool = True) -> Tokenizer:
    """T5, XLM-R, NLLB and ALBERT: NFKC, perhaps collapsed spaces, pieces with U+2581."""
    tokenizer = Tokenizer(models.Unigram())
    steps = [normalizers.NFKC()]
    if collapse:
        steps += [normalizers.Strip(left=False, right=True), normalizers.Replace(Regex(" {2,}"), "▁")]
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=prepend, split=True)
    trainer = trainers.UnigramTrainer(special_tokens=SPECIAL, unk_token="<unk>", vocab_size=600)
    tokenizer = _trained(tokenizer, trainer)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=prepend, split=split)
    tokenizer.add_special_tokens(["eng_Latn", "fra_Latn", "<extra_id_0>"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="eng_Latn $A </s>", pair="eng_Latn $A $B </s>", special_tokens=[("</s>", 2), ("eng_Latn", 600)]
    )  # fmt: skip
    return tokenizer


def albert() -> Tokenizer:
    """ALBERT: decomposed, without accents, in lower case, and runs of spaces as one."""
    tokenizer = unigram()
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Replace("``", '"'),
            normalizers.NFKD(),
            normalizers.StripAccents(),
            normalizers.Lowercase(),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )
    return tokenizer


def sentencepiece(*, algorithm: str = "unigram") -> Tokenizer:
    """Marian and M2M100: pieces by the workers' own code."""
    source = unigram()
    pieces = [piece for piece in source.get_vocab() if piece not in SPECIAL and not piece.startswith(("eng", "fra"))]
    scores = {piece: -1.0 - len(piece) / 7 - index % 5 for index, piece in enumerate(sorted(pieces))}
    model = PieceModel(
        algorithm=algorithm, scores=scores, add_dummy_prefix=True, remove_extra_whitespaces=True, language_codes=True
    )  # type: ignore[arg-type]
    tokenizer = Tokenizer(models.WordLevel(source.get_vocab(), unk_token="<unk>"))
    tokenizer.pre_tokenizer = PreTokenizer.custom(SentencePieces(model))
    return tokenizer


def crossing() -> Tokenizer:
    """A vocabulary whose tokens may contain a space between words: no text may be cut there."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    return _trained(tokenizer, trainers.BpeTrainer(special_tokens=["<unk>"]))


def _trained(tokenizer: Tokenizer, trainer: trainers.Trainer) -> Tokenizer:
    trainer.show_progress = False
    if hasattr(trainer, "vocab_size") and not isinstance(trainer, trainers.UnigramTrainer):
        trainer.vocab_size = 900
    tokenizer.train_from_iterator(TEXTS * 3, trainer)
    return tokenizer


KINDS: dict[str, Callable[[], Tokenizer]] = {
    "bert": bert,
    "bert-cased": lambda: bert(cased=True),
    "gpt-2": lambda: byte_level(prefix=False),
    "roberta": lambda: byte_level(prefix=True),
    "llama-3": lambda: byte_level(prefix=False, pattern=LLAMA_3),
    "clip": clip,
    "llama-2": llama_2,
    "t5": unigram,
    "xlm-r": lambda: unigram(collapse=False),
    "first": lambda: unigram(prepend="first"),
    "never": lambda: unigram(prepend="never"),
    "unsplit": lambda: unigram(split=False),
    "albert": albert,
    "marian": sentencepiece,
    "m2m100-bpe": lambda: sentencepiece(algorithm="bpe"),
    "crossing": crossing,
}
