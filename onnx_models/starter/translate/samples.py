"""A parallel text that was drawn at random, and which of its parts are held out from training.

**Held out**, one in five by checksum: numbers of three digits and more wherever they occur, smaller ones of a certain
noun ("forty-two apples"), minutes of the half day in every wording, dates, years and prices. The words that they are
made of occur in other samples; a number may have been seen as a year, and a price as a number.
"""

from dataclasses import dataclass

from onnx_models.starter.translate.parallel import ParallelText, render


@dataclass(frozen=True)
class Sample:
    """A text, and for each part of it that can be held out whether it is; empty: there is no such part."""

    text: ParallelText
    held_out: tuple[bool, ...] = ()


def combine(row: str | ParallelText, **parts: Sample) -> Sample:
    """Fill the slots of a template in each language with samples, as `render` does with texts."""
    text = render(row, **{slot: part.text for slot, part in parts.items()})
    return Sample(text, tuple(flag for part in parts.values() for flag in part.held_out))
