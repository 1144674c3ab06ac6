"""A tokenizer for each text encoder, of the class and with the special tokens that its published models have."""

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    AlbertTokenizerFast,
    BertTokenizerFast,
    DistilBertTokenizerFast,
    ElectraTokenizerFast,
    MPNetTokenizerFast,
    PreTrainedTokenizerFast,
    RobertaTokenizerFast,
)

from onnx_models.starter.training.word_pieces import make_tokenizer
from tests.architectures.zoo.common import SENTENCES, byte_pairs

_LENGTH = {"model_max_length": 64}
_ROBERTA = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def bert() -> BertTokenizerFast:
    """WordPiece."""
    return BertTokenizerFast(tokenizer_object=make_tokenizer(SENTENCES), **_LENGTH)


def distilbert() -> DistilBertTokenizerFast:
    """WordPiece, without token types."""
    return DistilBertTokenizerFast(tokenizer_object=make_tokenizer(SENTENCES), **_LENGTH)


def electra() -> ElectraTokenizerFast:
    """WordPiece."""
    return ElectraTokenizerFast(tokenizer_object=make_tokenizer(SENTENCES), **_LENGTH)


def albert() -> AlbertTokenizerFast:
    """Unigram, as SentencePiece trains it, with BERT's special tokens."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.UnigramTrainer(vocab_size=200, special_tokens=special, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(SENTENCES, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")],
    )
    return AlbertTokenizerFast(tokenizer_object=tokenizer, **_LENGTH)


def roberta() -> RobertaTokenizerFast:
    """Bytes; two separators between the texts of a pair, and padding that is not id 0."""
    tokenizer = byte_pairs(special=_ROBERTA).backend_tokenizer
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return RobertaTokenizerFast(tokenizer_object=tokenizer, **_LENGTH)


def mpnet() -> MPNetTokenizerFast:
    """WordPiece with RoBERTa's special tokens at RoBERTa's ids."""
    pieces = make_tokenizer(SENTENCES)
    words = [word for word, _ in sorted(pieces.get_vocab().items(), key=lambda item: item[1]) if word[0] != "["]
    vocabulary = {word: index for index, word in enumerate(["<s>", "<pad>", "</s>", "[UNK]", "<mask>", "[", *words])}
    pieces.model = models.WordPiece(vocabulary, unk_token="[UNK]")
    pieces.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return MPNetTokenizerFast(tokenizer_object=pieces, **_LENGTH)


def modernbert() -> PreTrainedTokenizerFast:
    """Bytes with BERT's special tokens."""
    return byte_pairs(
        start="[CLS]",
        end="[SEP]",
        special=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
        pad="[PAD]",
        unk_token="[UNK]",
        mask_token="[MASK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_input_names=["input_ids", "attention_mask"],  # no token types
    )
