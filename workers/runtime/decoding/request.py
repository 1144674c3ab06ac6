"""Requests to the decoding engine and their outputs, in token ids: one text to generate, and how."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, overload

import numpy as np
import numpy.typing as npt

from contracts.generation import FinishReason, Token

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Constraints:
    """What must or must not be generated. The names are those of transformers' ``generate``."""

    no_repeat_ngram_size: int = 0
    """0: n-grams may repeat."""
    bad_words: tuple[tuple[int, ...], ...] = ()
    """Token sequences that are never generated."""
    min_length: int = 0
    """No end-of-sequence token before the decoder holds this many tokens, its prompt or prefix included."""
    min_new_tokens: int = 0
    """No end-of-sequence token before this many tokens are generated. Above 0 it replaces ``min_length``."""
    forced_bos_token_id: int | None = None
    """The first token, if the decoder's prefix is its start token alone."""
    forced_eos_token_ids: tuple[int, ...] = ()
    """The last token of a sequence that reaches its maximum length; if there are several, the one of the lowest id."""
    suppress_tokens: tuple[int, ...] = ()
    """Tokens that are never generated."""
    begin_suppress_tokens: tuple[int, ...] = ()
    """Tokens that are not generated first."""


@dataclass(frozen=True)
class Beams:
    """Beam search. The names are those of transformers' ``generate``.

    The score of a text is the sum of its log-probabilities, divided by its length to the power of ``length_penalty``.
    """

    num_beams: int
    """At least 2."""
    num_return_sequences: int = 1
    """At most ``num_beams``."""
    length_penalty: float = 1.0
    early_stopping: bool | Literal["never"] = False
    """True: stop as soon as there are ``num_beams`` finished texts. False: also require that the running beams are
    unlikely to become better. ``never``: require that they can't."""


@dataclass(frozen=True)
class Sampling:
    """How a token is chosen from logits. The steps and their order are those of transformers' ``generate``.

    All numbers are validated and finite. A ``temperature`` of 0 is expressed by ``do_sample`` False.
    """

    do_sample: bool = False
    temperature: float = 1.0
    top_k: int = 0
    """0: no limit."""
    top_p: float = 1.0
    min_p: float = 0.0
    typical_p: float = 1.0
    repetition_penalty: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    seed: int = 0
    """64 bits. The random numbers depend on it and on ``stream_number`` alone."""
    stream_number: int = 0
    """Distinguishes several texts with the same seed."""
    constraints: Constraints = Constraints()


def _no_ids() -> Ids:
    return np.empty(0, np.int64)


@dataclass(frozen=True)
class GenerationRequest:
    """One text to generate; with ``beams``, the best texts of one search."""

    prompt_ids: Ids
    """int64 [tokens], at least one, each below the model's vocabulary. Encoder-decoders: the decoder's prefix."""
    max_new_tokens: int
    """At least 1; together with the prompt at most the cache's ``max_tokens``."""
    source_ids: Ids = field(default_factory=_no_ids)
    """Encoder-decoders: the encoder's input, int64 [tokens], at least one. Decoders: empty."""
    sampling: Sampling = Sampling()
    beams: Beams | None = None
    eos_token_ids: frozenset[int] = frozenset()
    stop_strings: tuple[str, ...] = ()
    logprobs: bool = False
    """Whether the output has the tokens with their log-probabilities; without, it has no tokens."""
    ranked: bool = False
    """Whether the output has its mean log-probability, even without ``logprobs``."""
    top_n_tokens: int = 0
    stream: bool = False
    """Whether deltas are emitted while the text is generated."""
    input: int = 0
    sequence: int = 0
    """Which input of the job this text belongs to, and which of its texts it is: `contracts.generation.TextDelta`. The
    texts of a search are numbered from here."""
    part: int = 0
    """Which part of the input this is, where inputs are split."""

    @property
    def num_slots(self) -> int:
        """Sequences that are generated at once, each with a slot in the cache."""
        return self.beams.num_beams if self.beams else 1

    @property
    def max_length(self) -> int:
        """Most tokens that a sequence can come to, its prompt included."""
        return len(self.prompt_ids) + self.max_new_tokens


class Repeated(Sequence[GenerationRequest]):
    """Several requests for each of some inputs, which differ in their random numbers only.

    Each is made when it is asked for. A job may have tens of thousands, and to make all of them takes Python a second,
    in which it does little else: the steps of other jobs would wait for its lock, and for its garbage collector.

    Args:
        firsts: the first request for each input.
        samplings: of all requests for an input.
    """

    def __init__(self, firsts: Sequence[GenerationRequest], samplings: Sequence[Sampling]) -> None:
        self.firsts = firsts
        self._samplings = samplings

    def __len__(self) -> int:
        return len(self.firsts) * len(self._samplings)

    @overload
    def __getitem__(self, index: int) -> GenerationRequest: ...
    @overload
    def __getitem__(self, index: slice) -> list[GenerationRequest]: ...
    def __getitem__(self, index: int | slice) -> GenerationRequest | list[GenerationRequest]:
        if isinstance(index, slice):
            return [self[one] for one in range(*index.indices(len(self)))]
        number, sequence = divmod(index, len(self._samplings))
        first = self.firsts[number]
        return replace(first, sampling=self._samplings[sequence], sequence=sequence) if sequence else first


def sizes_of_parts(requests: Sequence[GenerationRequest]) -> Counter[tuple[int, int]]:
    """Return how many requests there are for each part of an input."""
    firsts: Iterable[GenerationRequest] = requests
    num_each = 1
    if isinstance(requests, Repeated) and requests:
        firsts, num_each = requests.firsts, len(requests) // len(requests.firsts)
    sizes: Counter[tuple[int, int]] = Counter()
    for first in firsts:
        sizes[first.input, first.part] += num_each
    return sizes


def are_streamed(requests: Sequence[GenerationRequest]) -> bool:
    """Return whether any of these is streamed."""
    return any(request.stream for request in (requests.firsts if isinstance(requests, Repeated) else requests))


@dataclass(frozen=True)
class SampledToken:
    """A chosen token. Its log-probabilities are natural ones of the raw logits, and NaN unless requested."""

    token_id: int
    logprob: float = float("nan")
    top: list[tuple[int, float]] = field(default_factory=list)
    """(token id, log-probability) of the likeliest tokens, in descending order."""


@dataclass(frozen=True, kw_only=True)
class GenerationOutput:
    """A finished text."""

    request: GenerationRequest
    text: str
    """Without the stop string that ended it, and without special tokens."""
    finish_reason: FinishReason
    num_tokens: int
    """Generated tokens, the end-of-sequence token included."""
    tokens: list[Token]
    top_tokens: list[list[Token]]
    mean_logprob: float
    """NaN unless ``logprobs`` or ``ranked`` was requested. Beam search: the score."""
