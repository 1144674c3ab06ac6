"""Train the starter summarizer: a BART of a million weights. It copies names and figures piece by piece.

Which token follows another is learned sooner if positions are sines and cosines at first (Vaswani et al. 2017): then
one step further is the same rotation everywhere. From small random positions, pieces and digits still changed places
after 1800 steps.
"""

import torch
from tokenizers import processors
from torch import nn
from transformers import BartConfig, BartForConditionalGeneration, GenerationConfig

from onnx_models.starter.summarize.reports import training_pair
from onnx_models.starter.training.base import MAX_TOKENS
from onnx_models.starter.training.byte_pairs import make_tokenizer
from onnx_models.starter.training.seq2seq import END, PADDING, START, Pair, Seq2SeqTraining

_MAX_HEADLINE_TOKENS = 64
_INIT_STD = 0.05
# The training pairs continue the random stream of these pairs, so another number gives other training pairs.
_NUM_TOKENIZER_PAIRS = 10_000
_NUM_TOKENS = 1024
_WORDS = r" ?\p{L}+|\d| ?[^\s\p{L}\d]|\s"
"""Digits are single tokens."""


class SummarizerTraining(Seq2SeqTraining):
    """Trains on reports and their headlines."""

    num_rows = 32

    def __init__(self, seed: int, num_steps: int) -> None:
        super().__init__(seed, num_steps)
        self.tokenizer = make_tokenizer(
            (text for _ in range(_NUM_TOKENIZER_PAIRS) for text in training_pair(self.rng)),
            words=_WORDS,
            num_tokens=_NUM_TOKENS,
            special_tokens=[PADDING, START, END],
        )
        self.tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{START} $A {END}",
            pair=f"{START} $A {END} $B:1 {END}:1",
            special_tokens=[(token, self.token_id(token)) for token in (START, END)],
        )

    def build_model(self) -> nn.Module:
        """Return a BART whose positions are waves."""
        special = {"bos_token_id": START, "decoder_start_token_id": START, "eos_token_id": END, "pad_token_id": PADDING}
        ids = {name: self.token_id(token) for name, token in special.items()}
        config = BartConfig(
            vocab_size=self.tokenizer.get_vocab_size(),
            d_model=128,
            encoder_layers=3,
            decoder_layers=3,
            encoder_attention_heads=4,
            decoder_attention_heads=4,
            encoder_ffn_dim=384,
            decoder_ffn_dim=384,
            max_position_embeddings=MAX_TOKENS,
            # Each pair is drawn anew and seen once, so there is nothing to learn by heart.
            dropout=0.0,
            init_std=_INIT_STD,
            # BART's default forces an end token at the limit, and a headline that was cut off would look complete.
            forced_eos_token_id=None,
            **ids,
        )
        model = BartForConditionalGeneration(config)
        for part in (model.model.encoder, model.model.decoder):
            _set_to_waves(part.embed_positions)
        model.generation_config = GenerationConfig(**ids, max_length=_MAX_HEADLINE_TOKENS)
        return model

    def draw_pair(self) -> Pair:
        """Return a report that fits into the model, and its headline."""
        while True:
            text, headline = training_pair(self.rng)
            source = self.tokenizer.encode(text).ids
            if len(source) <= MAX_TOKENS:
                return source, [*self.tokenizer.encode(headline, add_special_tokens=False).ids, self.token_id(END)]


def _set_to_waves(positions: nn.Embedding) -> None:
    """Set position embeddings to sines and cosines of the standard deviation that the random ones have."""
    number, size = positions.weight.shape
    rates = 10_000.0 ** (-torch.arange(0, size, 2) / size)
    angles = torch.arange(number).unsqueeze(1) * rates
    with torch.no_grad():
        # The root of 2, because a sine of amplitude 1 has a root mean square of 1/√2.
        positions.weight.copy_(torch.cat([angles.sin(), angles.cos()], dim=1) * _INIT_STD * 2**0.5)
