"""``generate_parameters`` of the encoder-decoder tasks, with the names and meanings of transformers' ``generate``."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from contracts.generation import MAX_SEQUENCES
from contracts.sampling import SamplingParameters

MAX_BEAMS = 16
MAX_BAD_WORDS = 256
MAX_ID_ENTRIES = 4096
"""Entries of a list of token ids, or of lists of them."""
# More than any context has, so only a first bound: the worker applies the limits of its model.
_MANY = 1_000_000

TokenId = Annotated[int, Meta(ge=0)]
TokenIds = Annotated[list[TokenId], Meta(max_length=MAX_ID_ENTRIES)]
NumTokens = Annotated[int, Meta(ge=1, le=_MANY)]


class GenerationParameters(SamplingParameters, frozen=True):
    """How to generate an answer. Parameters that are not set default to the model package's."""

    max_new_tokens: Annotated[NumTokens | None, Meta(description="Most tokens to generate for each chunk.")] = None
    max_length: Annotated[NumTokens | None, Meta(description="The same, but counts the decoder's start token.")] = None
    min_new_tokens: Annotated[
        Annotated[int, Meta(ge=0, le=_MANY)] | None, Meta(description="Fewest tokens to generate for each chunk.")
    ] = None
    min_length: Annotated[
        Annotated[int, Meta(ge=0, le=_MANY)] | None,
        Meta(description="The same, but counts the decoder's start token."),
    ] = None
    num_beams: Annotated[
        Annotated[int, Meta(ge=1, le=MAX_BEAMS)] | None, Meta(description="Beams of a beam search; 1: no search.")
    ] = None
    num_return_sequences: Annotated[
        int, Meta(ge=1, le=MAX_SEQUENCES, description="How many sequences to return: the best beams, or samples.")
    ] = 1
    length_penalty: Annotated[
        Annotated[float, Meta(ge=-100, le=100)] | None,
        Meta(description="With beams: above 0 favours long answers, below 0 short ones."),
    ] = None
    early_stopping: Annotated[
        bool | Literal["never"] | None,
        Meta(
            description="With beams: `true` ends the search with as many finished sequences as beams, `false` when a "
            "better one is unlikely, `never` when it is impossible."
        ),
    ] = None
    repetition_penalty: Annotated[
        Annotated[float, Meta(gt=0, le=100)] | None,
        Meta(description="Above 1: tokens that the answer already has become less likely."),
    ] = None
    no_repeat_ngram_size: Annotated[
        Annotated[int, Meta(ge=0, le=_MANY)] | None,
        Meta(description="No n-gram of this many tokens occurs twice; 0: no such limit."),
    ] = None
    bad_words: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=256)]],
        Meta(max_length=MAX_BAD_WORDS, description="Texts that are never generated."),
    ] = msgspec.field(default_factory=list)
    bad_words_ids: Annotated[
        Annotated[list[Annotated[list[TokenId], Meta(min_length=1, max_length=256)]], Meta(max_length=MAX_ID_ENTRIES)]
        | None,
        Meta(description="The same, as token ids."),
    ] = None
    forced_bos_token_id: Annotated[TokenId | None, Meta(description="First token of the answer.")] = None
    forced_eos_token_id: Annotated[
        TokenId | TokenIds | None, Meta(description="Last token of an answer that reaches its maximum length.")
    ] = None
    suppress_tokens: Annotated[TokenIds | None, Meta(description="Tokens that are never generated.")] = None
    begin_suppress_tokens: Annotated[
        TokenIds | None, Meta(description="Tokens that the answer does not begin with.")
    ] = None

    def __post_init__(self) -> None:
        """Refuse parameters that contradict each other.

        Raises:
            ValueError: they do. msgspec turns it into a ``ValidationError`` when it decodes.
        """
        # A minimum in one unit and a maximum in the other are compared by the worker: only it knows how many tokens the
        # decoder starts with.
        for least, most in (("min_new_tokens", "max_new_tokens"), ("min_length", "max_length")):
            low, high = getattr(self, least), getattr(self, most)
            if low is not None and high is not None and low > high:
                raise ValueError(f"Expected {least} to be at most {most}: {low} is more than {high}")
        if (self.num_beams or 1) == 1:
            return
        if self.stops:
            # Which beam becomes the answer is known only when the search ends, so none of them can be stopped early.
            raise ValueError("Beam search cannot stop at a text: leave out stop, or num_beams")
        if self.do_sample:
            raise ValueError("Beam search does not sample: leave out do_sample, or num_beams")
        if self.num_return_sequences > (self.num_beams or 1):
            raise ValueError("Expected num_return_sequences to be at most num_beams")
