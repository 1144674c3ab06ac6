"""The corrector's tokenizer: one token for each known word, and bytes for everything else.

A word that is spelt correctly is copied in one step. A word that is not, or is unknown, is read and written letter by
letter.
"""

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors

from onnx_models.starter.denoise.dictionary import first_words, known_words

PAD, START, END = "<pad>", "<s>", "</s>"
"""Their ids are 0, 1 and 2."""
_WORDS = r" ?[A-Za-z]+(?:'[A-Za-z]+)?"


def make_tokenizer() -> Tokenizer:
    """Return a tokenizer that appends an end token to each text, and can read and write any text."""
    # Sorted, since the order differs between processes and decides the ids.
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [*(f"Ġ{word}" for word in sorted(known_words())), *sorted(first_words())]
    tokens = dict.fromkeys([PAD, START, END, *alphabet, *words])
    # Without merges, a word that is no token as a whole falls apart into bytes.
    model = models.BPE({token: id_ for id_, token in enumerate(tokens)}, [], ignore_merges=True)
    tokenizer = Tokenizer(model)
    tokenizer.add_special_tokens([PAD, START, END])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(f"$A {END}", special_tokens=[(END, 2)])
    return tokenizer
