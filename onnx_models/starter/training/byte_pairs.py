"""Make the tokenizers of starters that generate: byte pairs over their own corpus, so that they can write any text."""

from collections.abc import Iterable, Sequence

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers


def make_tokenizer(corpus: Iterable[str], *, words: str, num_tokens: int, special_tokens: Sequence[str]) -> Tokenizer:
    """Return a tokenizer that adds no special tokens to a text.

    Args:
        corpus: texts whose frequent parts become tokens.
        words: a regular expression; no token extends over more than one match of it.
        num_tokens: size of the vocabulary.
        special_tokens: the first tokens of the vocabulary.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(words), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=num_tokens,
        special_tokens=list(special_tokens),
        # All bytes are tokens, so that no text is unknown; sorted, since their order differs between processes.
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    return tokenizer
