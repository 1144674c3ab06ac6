"""Train the starter decoder: a Llama of a million weights.

Texts are concatenated into rows of as many tokens as the model has positions. What follows by rule counts fully in the
loss; prompts, which nothing predicts, count little.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

from onnx_models.starter.generate.chats import CHAT_TEMPLATE
from onnx_models.starter.generate.corpus import END_OF_MESSAGE, END_OF_TEXT, SPECIAL_TOKENS, training_text
from onnx_models.starter.training.base import MAX_TOKENS, Training, save_for_transformers
from onnx_models.starter.training.byte_pairs import make_tokenizer

_NUM_ROWS = 8
_PROMPT_WEIGHT = 0.1
# The training texts continue the random stream of these texts, so another number gives other training texts.
_NUM_TOKENIZER_TEXTS = 20_000
_NUM_TOKENS = 1280
_WORDS = r"\n| {4}| ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s"
"""Line breaks and indents are tokens of their own, wherever a prompt ends."""

_Row = tuple[list[int], list[float]]
"""Token ids, and the weight of each in the loss."""


class DecoderTraining(Training[list[_Row]]):
    """Trains on texts of all registers, each seen once."""

    learning_rate = 4e-3

    def __init__(self, seed: int, num_steps: int) -> None:
        super().__init__(seed, num_steps)
        corpus = ("".join(span.text for span in training_text(self.rng)) for _ in range(_NUM_TOKENIZER_TEXTS))
        self.tokenizer = make_tokenizer(corpus, words=_WORDS, num_tokens=_NUM_TOKENS, special_tokens=SPECIAL_TOKENS)

    def build_model(self) -> nn.Module:
        """Return a Llama that ends at the end of a text or of a message."""
        ends = [self.token_id(token) for token in (END_OF_TEXT, END_OF_MESSAGE)]
        config = LlamaConfig(
            vocab_size=self.tokenizer.get_vocab_size(),
            hidden_size=128,
            intermediate_size=384,
            num_hidden_layers=3,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=MAX_TOKENS,
            tie_word_embeddings=True,
            # A row begins with a text, so prompts need no start token.
            bos_token_id=None,
            eos_token_id=ends,
            pad_token_id=ends[0],
        )
        model = LlamaForCausalLM(config)
        model.generation_config = GenerationConfig(eos_token_id=ends, pad_token_id=ends[0])
        return model

    def rounds(self) -> Sequence[Iterator[list[_Row]]]:
        """Return one round of endless batches."""
        return [self._batches()]

    def _batches(self) -> Iterator[list[_Row]]:
        while True:
            yield [self._row() for _ in range(_NUM_ROWS)]

    def _row(self) -> _Row:
        """Return `MAX_TOKENS` tokens that begin with a text; the last text is cut off."""
        ids: list[int] = []
        weights: list[float] = []
        while len(ids) < MAX_TOKENS:
            for span in training_text(self.rng):
                # Each span by itself, because a prompt is encoded without its continuation when the model is served.
                tokens = self.tokenizer.encode(span.text).ids
                ids += tokens
                weights += [_PROMPT_WEIGHT if span.is_prompt else 1.0] * len(tokens)
        return ids[:MAX_TOKENS], weights[:MAX_TOKENS]

    def loss(self, model: nn.Module, batch: list[_Row]) -> Tensor:
        """Return the weighted mean of the cross entropy of the next tokens."""
        ids, weights = zip(*batch, strict=True)
        tokens, counts = torch.tensor(ids), torch.tensor(weights)[:, 1:]
        # Nothing masks the earlier texts of a row; the model learns to ignore what is before an end of text.
        logits = model(input_ids=tokens[:, :-1], use_cache=False).logits
        losses = nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten(), reduction="none")
        return (losses * counts.flatten()).sum() / counts.sum()

    def save(self, model: nn.Module, folder: Path) -> None:
        """Write weights, configs, tokenizer and chat template."""
        save_for_transformers(
            model,
            self.tokenizer,
            folder,
            eos_token=END_OF_TEXT,
            pad_token=END_OF_TEXT,
            clean_up_tokenization_spaces=False,
            chat_template=CHAT_TEMPLATE,
        )
