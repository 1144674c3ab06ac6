"""What all tasks that write texts have in common: how tokens are drawn, and where a text ends."""

from typing import Annotated

import msgspec
from msgspec import Meta

from contracts.shapes import Shape

MAX_STOPS = 16
_SEED = 2**63

Stop = Annotated[str, Meta(min_length=1, max_length=256)]


class SamplingParameters(Shape, frozen=True):
    """How tokens are drawn. What is not given is as the model's package says."""

    do_sample: Annotated[
        bool | None,
        Meta(
            description="Draw tokens by their probability; false: always the likeliest. Default: true if a parameter "
            "of drawing is given, else as the package says."
        ),
    ] = None
    temperature: Annotated[
        Annotated[float, Meta(ge=0, le=100)] | None,
        Meta(description="Logits are divided by it; below 1 safer, above 1 wilder. 0: the likeliest token."),
    ] = None
    top_k: Annotated[
        Annotated[int, Meta(ge=0, le=1_000_000)] | None,
        Meta(description="Draw from so many of the likeliest tokens only; 0: from all."),
    ] = None
    top_p: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None,
        Meta(description="Draw from the likeliest tokens that together have this probability (nucleus sampling)."),
    ] = None
    min_p: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None,
        Meta(description="Draw from tokens with at least this share of the likeliest one's probability only."),
    ] = None
    typical_p: Annotated[
        Annotated[float, Meta(gt=0, le=1)] | None,
        Meta(description="Draw from the most typical tokens that together have this probability."),
    ] = None
    seed: Annotated[
        Annotated[int, Meta(ge=-_SEED, le=_SEED - 1)] | None,
        Meta(description="The same seed draws the same text, whatever runs beside it. Default: a new one, told back."),
    ] = None
    stop: Annotated[
        Stop | Annotated[list[Stop], Meta(max_length=MAX_STOPS)],
        Meta(description="Texts that end the answer where they appear; they are not part of it."),
    ] = msgspec.field(default_factory=list)

    @property
    def stops(self) -> tuple[str, ...]:
        """``stop`` as a tuple."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)
