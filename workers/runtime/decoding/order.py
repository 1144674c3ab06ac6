"""What is asked of the decoding loop: one text to write, with all that decides how."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from contracts.generation import FinishReason, Token

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Sampling:
    """How a token is chosen from logits. The steps and their order are those of transformers' ``generate``.

    All numbers are checked and finite. ``temperature`` 0 is not among them: that is ``do_sample`` False.
    """

    do_sample: bool = False
    temperature: float = 1.0
    top_k: int = 0
    """0: all."""
    top_p: float = 1.0
    min_p: float = 0.0
    typical_p: float = 1.0
    repetition_penalty: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    seed: int = 0
    """Of 64 bits. With ``stream_number`` it alone decides what is drawn."""
    stream_number: int = 0
    """Which of several texts with the same seed this is."""
    suppress_tokens: tuple[int, ...] = ()
    """Tokens that are never written."""


@dataclass(frozen=True)
class Order:
    """One text to write."""

    prompt_ids: Ids
    """int64 [tokens], at least one; each below the model's vocabulary."""
    max_new_tokens: int
    """At least 1; with the prompt at most the cache's ``max_tokens``."""
    sampling: Sampling = Sampling()
    eos_token_ids: frozenset[int] = frozenset()
    stops: tuple[str, ...] = ()
    logprobs: bool = False
    """Whether tokens are told with their log-probabilities; if not, there are no tokens in the result."""
    ranked: bool = False
    """Whether its mean log-probability is told, even where those of its tokens are not."""
    top_n_tokens: int = 0
    stream: bool = False
    """Whether the text is told as it grows."""
    input: int = 0
    sequence: int = 0
    """Which of the job's inputs, and which of its texts, this is: `contracts.generation.Piece`."""

    @property
    def max_length(self) -> int:
        """Most tokens that the text may come to hold, its prompt included."""
        return len(self.prompt_ids) + self.max_new_tokens


@dataclass(frozen=True)
class Choice:
    """A chosen token. Log-probabilities are of the raw logits, natural, and NaN where nobody asked for them."""

    token_id: int
    logprob: float = float("nan")
    top: list[tuple[int, float]] = field(default_factory=list)
    """(token id, log-probability), the likeliest first."""


@dataclass(frozen=True, kw_only=True)
class Written:
    """A text that was written to its end."""

    order: Order
    text: str
    """Without the stop text that ended it, and without special tokens."""
    finish_reason: FinishReason
    num_tokens: int
    """Tokens that were written, the one that ended the text included."""
    tokens: list[Token]
    top_tokens: list[list[Token]]
    mean_logprob: float
    """Of its tokens; NaN unless it or their log-probabilities were asked for."""
