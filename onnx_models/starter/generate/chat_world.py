"""The small world that the chats are about, from ``chats.toml``: its things, and how users phrase each intent."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from onnx_models.starter.texts.data import Phrases, Words, load
from onnx_models.starter.texts.vocabulary import WEEKDAYS


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    system: str
    opposites: Words
    colour_of: Words
    unanswerable: Phrases
    belongings: Words
    houses: Words
    ordinals: Words
    slots: dict[str, Words]
    wordings: dict[str, Phrases]


_FILE = load(Path(__file__).with_name("chats.toml"), _File)
_PAIRS = [pair.split() for pair in _FILE.opposites]
_NUMBERS = tuple(str(number) for number in range(21))

SYSTEM_MESSAGE = _FILE.system.strip()
WORDINGS = _FILE.wordings
UNANSWERABLE = _FILE.unanswerable
"""Questions about what this world lacks; pseudo-words fill their slots."""

HOUSES, ORDINALS = _FILE.houses, _FILE.ordinals
"""The houses along Main Street, from left to right."""
COLOUR_OF = {thing: colour for thing, colour in (entry.split(": ") for entry in _FILE.colour_of)}
OPPOSITE_OF = {one: other for pair in _PAIRS for one, other in (pair, pair[::-1])}

SLOTS: Mapping[str, Sequence[str]] = {
    **_FILE.slots,
    **dict.fromkeys(("a", "b"), _NUMBERS),
    **dict.fromkeys(("start", "end"), HOUSES),
    **dict.fromkeys(("x", "y"), _FILE.slots["goods"]),
    **dict.fromkeys(("p", "q"), _NUMBERS[2:]),
    **dict.fromkeys(("opens", "closes"), tuple(str(hour) for hour in range(6, 22))),
    "word": tuple(OPPOSITE_OF),
    "day": WEEKDAYS,
}
"""What may fill the slots of the wordings and of the system message."""
_THINGS = {"colour": tuple(COLOUR_OF), **dict.fromkeys(("tell_thing", "ask_thing"), _FILE.belongings)}


def slots_of_intent(intent: str) -> Mapping[str, Sequence[str]]:
    """Return what may fill the slots of an intent's wordings."""
    return {**SLOTS, "thing": _THINGS.get(intent, ())}
