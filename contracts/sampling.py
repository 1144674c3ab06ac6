"""Parameters that all generating tasks share: how to sample tokens, and where to stop."""

from typing import Annotated

import msgspec
from msgspec import Meta

from contracts.shapes import Shape

MAX_STOPS = 16
# Signed 64-bit numbers, the range of OpenAI's seed.
_SEED = 2**63

Stop = Annotated[str, Meta(min_length=1, max_length=256)]


class SamplingParameters(Shape, frozen=True):
    """How to sample tokens. Parameters that are not set default to the model package's."""

    # The limits of an optional number are inside of the union, because msgspec refuses them on ``int | None``.
    do_sample: Annotated[
        bool | None,
        Meta(
            description="Sample tokens by their probability; false: always the most likely one (greedy). "
            "Default: true if another sampling parameter is set, else as the model package says."
        ),
    ] = None
    temperature: Annotated[
        Annotated[float, Meta(ge=0, le=100)] | None,
        Meta(description="Divides the logits: below 1 less random, above 1 more. 0: greedy."),
    ] = None
    top_k: Annotated[
        Annotated[int, Meta(ge=0, le=1_000_000)] | None,
        Meta(description="Sample from this many most likely tokens only; 0: from all."),
    ] = None
    top_p: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None,
        Meta(description="Sample from the most likely tokens that add up to this probability (nucleus sampling)."),
    ] = None
    min_p: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None,
        Meta(description="Sample from tokens with at least this fraction of the most likely token's probability."),
    ] = None
    typical_p: Annotated[
        Annotated[float, Meta(gt=0, le=1)] | None,
        Meta(description="Sample from the most typical tokens that add up to this probability (typical sampling)."),
    ] = None
    seed: Annotated[
        Annotated[int, Meta(ge=-_SEED, le=_SEED - 1)] | None,
        Meta(description="The same seed gives the same text, whatever else the batch has. Default: a new one per job."),
    ] = None
    stop: Annotated[
        Stop | Annotated[list[Stop], Meta(max_length=MAX_STOPS)],
        Meta(description="Texts that end the answer where they occur; they are not part of it."),
    ] = msgspec.field(default_factory=list)

    @property
    def stops(self) -> tuple[str, ...]:
        """The stop strings, whether the request has one, several or none."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)
