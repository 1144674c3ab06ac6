"""What the assistant of the small world says: the one right answer to the last message of a conversation.

What it goes by is in the conversation: the shop in the system message, the user's name and belongings in what the user
said before. Everything else is the same for all.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from onnx_models.starter.writing.chat_words import (
    BELONGINGS,
    COLOUR_OF,
    DAYS,
    FILLINGS,
    HOUSES,
    OPPOSITE_OF,
    ORDINALS,
    SHOP,
    WORDINGS,
)
from onnx_models.starter.writing.gaps import Gaps

Message = Mapping[str, str]
"""``role`` and ``content``, as chat templates take them."""
Filling = Mapping[str, str]

UNKNOWN = "Sorry, I don't know that."
_SHOP = Gaps(SHOP, FILLINGS)


@dataclass(frozen=True)
class Said:
    """What the user meant: which of `WORDINGS`, and what fills its gaps."""

    topic: str
    filling: Filling


def gaps_of(topic: str) -> Mapping[str, Sequence[str]]:
    """Return what may fill the gaps of a topic's wordings."""
    things = {"colour": tuple(COLOUR_OF), "tell_thing": BELONGINGS, "ask_thing": BELONGINGS}
    return {**FILLINGS, "thing": things.get(topic, ())}


@cache
def _readers() -> list[tuple[str, Gaps]]:
    return [(topic, Gaps(text, gaps_of(topic), loose=True)) for topic, texts in WORDINGS.items() for text in texts]


def read(text: str) -> Said | None:
    """Return what a user's message means; None: nothing of this world."""
    for topic, reader in _readers():
        filling = reader.read(text)
        if filling is not None:
            return Said(topic, filling)
    return None


def reply(messages: Sequence[Message]) -> str:
    """Return what is to be said after these messages, the last of which is the user's."""
    shop = next((_SHOP.read(message["content"]) for message in messages if message["role"] == "system"), None)
    said = [read(message["content"]) for message in messages if message["role"] == "user"]
    known = _Known(shop, [one for one in said if one])
    last = said[-1]
    return _RULES[last.topic](last.filling, known) if last else UNKNOWN


@dataclass(frozen=True)
class _Known:
    """What the conversation has told so far."""

    shop: Filling | None
    said: Sequence[Said]

    def last(self, topic: str, **wanted: str) -> Filling | None:
        """Return what was last said on a topic, of those sayings that have these fillings."""
        for said in reversed(self.said):
            if said.topic == topic and wanted.items() <= said.filling.items():
                return said.filling
        return None

    @property
    def call(self) -> str:
        """How to call the user at the end of a sentence, once the name is known."""
        told = self.last("tell_name")
        return f", {told['name']}" if told else ""


def _plus(said: Filling, known: _Known) -> str:
    return f"{said['a']} plus {said['b']} is {int(said['a']) + int(said['b'])}."


def _minus(said: Filling, known: _Known) -> str:
    return f"{said['a']} minus {said['b']} is {int(said['a']) - int(said['b'])}."


def _parity(asked: int) -> Callable[[Filling, _Known], str]:
    def answer(said: Filling, known: _Known) -> str:
        rest = int(said["a"]) % 2
        return f"{'Yes' if rest == asked else 'No'}, {said['a']} is {('even', 'odd')[rest]}."

    return answer


def _count(said: Filling, known: _Known) -> str:
    first, last = int(said["a"]), int(said["b"])
    step = 1 if first <= last else -1
    return ", ".join(map(str, range(first, last + step, step))) + "."


def _colour(said: Filling, known: _Known) -> str:
    thing = said["thing"]
    return f"{thing[0].upper()}{thing[1:]} is {COLOUR_OF[thing]}."


def _day(step: int, word: str) -> Callable[[Filling, _Known], str]:
    def answer(said: Filling, known: _Known) -> str:
        day = DAYS[(DAYS.index(said["day"]) + step) % len(DAYS)]
        return f"{day} comes {word} {said['day']}."

    return answer


def _way(said: Filling, known: _Known) -> str:
    steps = HOUSES.index(said["end"]) - HOUSES.index(said["start"])
    if steps == 0:
        return f"You are at the {said['start']}."
    side = "right" if steps > 0 else "left"
    return f"From the {said['start']} go {side}. The {said['end']} is the {ORDINALS[abs(steps) - 1]} house."


def _ask_name(said: Filling, known: _Known) -> str:
    told = known.last("tell_name")
    return f"Your name is {told['name']}." if told else "You have not told me your name."


def _ask_thing(said: Filling, known: _Known) -> str:
    told = known.last("tell_thing", thing=said["thing"])
    if told:
        return f"Your {said['thing']} is {told['colour']}."
    return f"You have not told me about your {said['thing']}."


def _of_shop(text: str) -> Callable[[Filling, _Known], str]:
    """Return a rule that tells a fact of the shop, if there is one."""
    return lambda said, known: Gaps(text, {}).fill(known.shop) if known.shop else UNKNOWN


def _price(said: Filling, known: _Known) -> str:
    if known.shop is None:
        return UNKNOWN
    prices = {known.shop["x"]: known.shop["p"], known.shop["y"]: known.shop["q"]}
    goods = said["goods"]
    return f"The {goods} costs {prices[goods]} euros." if goods in prices else f"We have no {goods}."


_RULES: dict[str, Callable[[Filling, _Known], str]] = {
    "plus": _plus,
    "minus": _minus,
    "even": _parity(0),
    "odd": _parity(1),
    "count": _count,
    "opposite": lambda said, known: f"The opposite of {said['word']} is {OPPOSITE_OF[said['word']]}.",
    "colour": _colour,
    "after": _day(1, "after"),
    "before": _day(-1, "before"),
    "way": _way,
    "tell_name": lambda said, known: f"Nice to meet you, {said['name']}!",
    "ask_name": _ask_name,
    "tell_thing": lambda said, known: f"A {said['colour']} {said['thing']}, how nice!",
    "ask_thing": _ask_thing,
    "opening": _of_shop("We open at {opens}."),
    "closing": _of_shop("We close at {closes}."),
    "price": _price,
    "goods": _of_shop("We sell {x} and {y}."),
    "shop": _of_shop("This is the {shop}."),
    "greeting": lambda said, known: f"{said['greeting']}{known.call}! How can I help you?",
    "thanks": lambda said, known: f"You are welcome{known.call}!",
    "farewell": lambda said, known: f"{said['farewell']}{known.call}!",
}
