"""Make the tokenizers of starters that write: byte pairs over their own texts, so that they read and write any text.

The decoder's has line breaks and indents as tokens of their own, wherever a prompt ends.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from onnx_models.starter.writing.chats import TEMPLATE
from onnx_models.starter.writing.texts import END_OF_TEXT, SPECIAL_TOKENS

_WORDS = r"\n| {4}| ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s"
_NUM_TOKENS = 1280


def make_tokenizer(
    texts: Iterable[str],
    *,
    words: str = _WORDS,
    num_tokens: int = _NUM_TOKENS,
    special_tokens: Sequence[str] = SPECIAL_TOKENS,
) -> Tokenizer:
    """Return a tokenizer that adds nothing to a text; no token reaches beyond one of the ``words``, a pattern."""
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
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def save_for_transformers(tokenizer: Tokenizer, folder: Path, max_tokens: int) -> None:
    """Write tokenizer and chat template beside a model's weights, in the files that transformers reads."""
    from transformers import PreTrainedTokenizerFast

    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END_OF_TEXT,
        pad_token=END_OF_TEXT,
        model_max_length=max_tokens,
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = TEMPLATE
    fast.save_pretrained(folder)
