"""What is asked of the decoding loop: one text to write, with all that decides how."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from contracts.generation import FinishReason, Token

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Constraints:
    """What must or must not be written, however likely it is. Names are those of transformers' ``generate``."""

    no_repeat_ngram_size: int = 0
    """0: any sequence of tokens may come again."""
    bad_words: tuple[tuple[int, ...], ...] = ()
    """Sequences of tokens that are never written."""
    min_length: int = 0
    """No end of text before the decoder holds so many tokens, its prefix included."""
    min_new_tokens: int = 0
    """No end of text before so many tokens are written. Above 0 it takes the place of ``min_length``."""
    forced_bos_token_id: int | None = None
    """Written first, where the decoder's prefix is its start token alone."""
    forced_eos_token_ids: tuple[int, ...] = ()
    """Written last, where the text would become too long. Of several, the one of the lowest id."""
    suppress_tokens: tuple[int, ...] = ()
    """Tokens that are never written."""
    begin_suppress_tokens: tuple[int, ...] = ()
    """Tokens that are not written first."""


@dataclass(frozen=True)
class Beams:
    """Beam search: the texts of an order are those with the highest scores among what so many beams have found.

    A score is the sum of a text's log-probabilities, divided by its length to the power of ``length_penalty``.
    """

    num_beams: int
    """At least 2."""
    num_return_sequences: int = 1
    """At most ``num_beams``."""
    length_penalty: float = 1.0
    early_stopping: bool | Literal["never"] = False
    """True: the search ends with as many ended texts as there are beams. False: also when what runs is unlikely to
    become better than those. ``never``: when it can't."""


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
    constraints: Constraints = Constraints()


@dataclass(frozen=True)
class GenerationRequest:
    """One text to write; with ``beams``, the best of those that a search finds."""

    prompt_ids: Ids
    """int64 [tokens], at least one; each below the model's vocabulary. Of an encoder-decoder: the decoder's prefix."""
    max_new_tokens: int
    """At least 1; with the prompt at most the cache's ``max_tokens``."""
    source_ids: Ids | None = None
    """Encoder-decoders: what the encoder reads, int64 [tokens], at least one."""
    sampling: Sampling = Sampling()
    beams: Beams | None = None
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
    """Which of the job's inputs, and which of its texts, this is: `contracts.generation.TextDelta`. The texts of a
    search are numbered from here."""
    part: int = 0
    """Which part of that input, where inputs are read in parts."""

    @property
    def num_places(self) -> int:
        """Texts that grow at once."""
        return self.beams.num_beams if self.beams else 1

    @property
    def max_length(self) -> int:
        """Most tokens that the text may come to hold, its prompt included."""
        return len(self.prompt_ids) + self.max_new_tokens


@dataclass(frozen=True)
class SampledToken:
    """A chosen token. Log-probabilities are of the raw logits, natural, and NaN where nobody asked for them."""

    token_id: int
    logprob: float = float("nan")
    top: list[tuple[int, float]] = field(default_factory=list)
    """(token id, log-probability), the likeliest first."""


@dataclass(frozen=True, kw_only=True)
class GenerationOutput:
    """A text that was written to its end."""

    request: GenerationRequest
    text: str
    """Without the stop text that ended it, and without special tokens."""
    finish_reason: FinishReason
    num_tokens: int
    """Tokens that were written, the one that ended the text included."""
    tokens: list[Token]
    top_tokens: list[list[Token]]
    mean_logprob: float
    """Of its tokens; NaN unless it or their log-probabilities were asked for. Of a search: the score."""
