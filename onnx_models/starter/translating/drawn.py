"""What is drawn for a gap, and whether training sees it.

**Held out from training**, one in five by checksum: numbers of three digits and more wherever they stand, smaller ones
of a certain thing ("forty-two apples"), minutes of the half day in every way to say them, dates, years and prices. The
words that they are made of are trained on in others; a number may have been met as a year, and a price as a number.
"""

from dataclasses import dataclass, field

from onnx_models.starter.translating import LANGUAGES, Said


@dataclass(frozen=True)
class Drawn:
    """Something said, and whether training sees it."""

    said: Said
    held_out: tuple[bool, ...] = field(default=())
    """Of each thing in it that may be held out; none: there is no such thing in it."""

    def then(self, other: "Drawn", joint: Said) -> "Drawn":
        """Return the one behind the other."""
        said = {code: f"{self.said[code]}{joint[code]}{other.said[code]}" for code in LANGUAGES}
        return Drawn(said, self.held_out + other.held_out)
