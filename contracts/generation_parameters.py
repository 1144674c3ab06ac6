"""``generate_parameters`` of the tasks of encoder-decoders, by the names of transformers' ``generate``."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from contracts.generation import MAX_SEQUENCES
from contracts.sampling import SamplingParameters

MAX_BEAMS = 16
MAX_BAD_WORDS = 256
_MANY = 1_000_000

TokenId = Annotated[int, Meta(ge=0)]
TokenIds = Annotated[list[TokenId], Meta(max_length=4096)]
NumTokens = Annotated[int, Meta(ge=1, le=_MANY)]


class GenerationParameters(SamplingParameters, frozen=True):
    """How an answer is written. What is not given is as the model's package says."""

    max_new_tokens: Annotated[NumTokens | None, Meta(description="Most tokens of the answer, of each chunk.")] = None
    max_length: Annotated[
        NumTokens | None, Meta(description="The same, counting the tokens that the decoder starts with.")
    ] = None
    min_new_tokens: Annotated[
        Annotated[int, Meta(ge=0, le=_MANY)] | None, Meta(description="Fewest tokens of the answer, of each chunk.")
    ] = None
    min_length: Annotated[
        Annotated[int, Meta(ge=0, le=_MANY)] | None,
        Meta(description="The same, counting the tokens that the decoder starts with."),
    ] = None
    num_beams: Annotated[
        Annotated[int, Meta(ge=1, le=MAX_BEAMS)] | None, Meta(description="Beams of a search; 1: no search.")
    ] = None
    num_return_sequences: Annotated[
        int, Meta(ge=1, le=MAX_SEQUENCES, description="How many answers to give: the best beams, or so many drawn.")
    ] = 1
    length_penalty: Annotated[
        Annotated[float, Meta(ge=-100, le=100)] | None,
        Meta(description="With beams: above 0 prefers long answers, below 0 short ones."),
    ] = None
    early_stopping: Annotated[
        bool | Literal["never"] | None,
        Meta(description="With beams: end with as many ended answers as there are beams, or look on for better ones."),
    ] = None
    repetition_penalty: Annotated[
        Annotated[float, Meta(gt=0, le=100)] | None,
        Meta(description="Above 1: tokens of the answer so far become less likely."),
    ] = None
    no_repeat_ngram_size: Annotated[
        Annotated[int, Meta(ge=0, le=_MANY)] | None,
        Meta(description="No so many tokens in a row come twice; 0: they may."),
    ] = None
    bad_words: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=256)]],
        Meta(max_length=MAX_BAD_WORDS, description="Texts that are never written."),
    ] = msgspec.field(default_factory=list)
    bad_words_ids: Annotated[
        list[Annotated[list[TokenId], Meta(min_length=1, max_length=256)]] | None,
        Meta(description="The same as tokens of the model."),
    ] = None
    forced_bos_token_id: Annotated[TokenId | None, Meta(description="Token that the answer begins with.")] = None
    forced_eos_token_id: Annotated[
        TokenId | list[TokenId] | None, Meta(description="Token that ends an answer that would become too long.")
    ] = None
    suppress_tokens: Annotated[TokenIds | None, Meta(description="Tokens that are never written.")] = None
    begin_suppress_tokens: Annotated[TokenIds | None, Meta(description="Tokens that are not written first.")] = None

    def __post_init__(self) -> None:
        """Refuse parameters that contradict each other; msgspec turns the ValueError into an error of validation."""
        for least, most in (("min_new_tokens", "max_new_tokens"), ("min_length", "max_length")):
            low, high = getattr(self, least), getattr(self, most)
            if low is not None and high is not None and low > high:
                raise ValueError(f"Expected {least} to be at most {most}: {low} is more than {high}")
        if self.stops and (self.num_beams or 1) > 1:
            raise ValueError(
                "A stop text ends what is written, and beams are chosen at their end: leave out one of them"
            )
        if self.do_sample and (self.num_beams or 1) > 1:
            raise ValueError("Beams are searched and not drawn: leave out do_sample, or num_beams")
        if (self.num_beams or 1) > 1 and self.num_return_sequences > (self.num_beams or 1):
            raise ValueError("Expected num_return_sequences to be at most num_beams")
