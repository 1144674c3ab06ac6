"""What generation must know about a model: its defaults, its limits and its tokenizer."""

from dataclasses import dataclass

from tokenizers import Tokenizer

from contracts.model_package.graphs import Generation


@dataclass(frozen=True)
class ModelConfig:
    """The defaults and limits of one model."""

    generation: Generation
    """The package's defaults."""
    tokenizer: Tokenizer
    max_tokens: int
    """Most tokens that the decoder can hold, including those that it starts with."""
    max_sequences: int
    """Most sequences of full length that the cache can hold at once."""
    vocab_size: int
