"""Train the starter translator: a T5 of a million weights.

The target language is a token before the text, for example ``>>fr<<``, as in Marian models.
"""

from tokenizers import processors
from torch import nn
from transformers import GenerationConfig, T5Config, T5ForConditionalGeneration

from onnx_models.starter.training.base import MAX_TOKENS
from onnx_models.starter.training.byte_pairs import make_tokenizer
from onnx_models.starter.training.seq2seq import END, PADDING, START, Pair, Seq2SeqTraining
from onnx_models.starter.translate.parallel import LANGUAGES, TARGETS
from onnx_models.starter.translate.phrases import training_phrase

# The training phrases continue the random stream of these, so another number gives other training phrases.
_NUM_TOKENIZER_PHRASES = 20_000
_NUM_TOKENS = 2048
_WORDS = (  # German numbers are cut where their parts meet, and digits are single tokens
    r" ?\p{L}*?(?:(?:tausend|hundert)(?=\p{L})|und(?=zwanz|drei|vier|fünf|sech|sieb|acht|neun))"
    r"|[ -]?\p{L}+|\d| ?[^\s\p{L}\d]|\s"
)


class TranslatorTraining(Seq2SeqTraining):
    """Trains on English phrases, each with its translation into one language."""

    num_rows = 64
    tokenizer_options = {"source_lang": "en"}  # noqa: RUF012 - typed as a class variable in the base class

    def __init__(self, seed: int, num_steps: int) -> None:
        super().__init__(seed, num_steps)
        phrases = (training_phrase(self.rng).text for _ in range(_NUM_TOKENIZER_PHRASES))
        self.tokenizer = make_tokenizer(
            (phrase[code] for phrase in phrases for code in LANGUAGES),
            words=_WORDS,
            num_tokens=_NUM_TOKENS,
            special_tokens=[PADDING, START, END, *map(_target_token, TARGETS)],
        )
        self.tokenizer.post_processor = processors.TemplateProcessing(
            single=f"$A {END}", pair=f"$A $B:1 {END}:1", special_tokens=[(END, self.token_id(END))]
        )

    def build_model(self) -> nn.Module:
        """Return a T5, which starts a text with the padding token."""
        padding, end = self.token_id(PADDING), self.token_id(END)
        config = T5Config(
            vocab_size=self.tokenizer.get_vocab_size(),
            d_model=128,
            d_kv=32,
            d_ff=384,
            num_layers=3,
            num_decoder_layers=3,
            num_heads=4,
            # Each pair is drawn anew and seen once, so there is nothing to learn by heart.
            dropout_rate=0.0,
            decoder_start_token_id=padding,
            eos_token_id=end,
            pad_token_id=padding,
        )
        model = T5ForConditionalGeneration(config)
        model.generation_config = GenerationConfig(
            decoder_start_token_id=padding, eos_token_id=end, pad_token_id=padding, max_length=MAX_TOKENS
        )
        return model

    def draw_pair(self) -> Pair:
        """Return the token of a random target language and an English phrase, and its translation."""
        # The phrase is drawn before the language: the other order would give other pairs.
        phrase, target = training_phrase(self.rng).text, self.rng.choice(TARGETS)
        source = [self.token_id(_target_token(target)), *self.tokenizer.encode(phrase["en"]).ids]
        return source, [*self.tokenizer.encode(phrase[target], add_special_tokens=False).ids, self.token_id(END)]


def _target_token(code: str) -> str:
    return f">>{code}<<"
