"""What the assistant answers in the small world: the one right reply to the last message of a conversation.

A reply depends on the conversation: on the shop in the system message, and on the name and belongings that the user
mentioned before. Everything else is the same in all conversations.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from onnx_models.starter.generate.chat_world import (
    COLOUR_OF,
    HOUSES,
    OPPOSITE_OF,
    ORDINALS,
    SLOTS,
    SYSTEM_MESSAGE,
    WORDINGS,
    slots_of_intent,
)
from onnx_models.starter.texts.templates import Template, fill
from onnx_models.starter.texts.vocabulary import WEEKDAYS

Message = Mapping[str, str]
"""``role`` and ``content``, as chat templates take them."""
Values = Mapping[str, str]
"""What fills the slots of a message."""

UNKNOWN = "Sorry, I don't know that."
_SYSTEM_MESSAGE = Template(SYSTEM_MESSAGE, SLOTS)


@dataclass(frozen=True)
class Parsed:
    """The intent of a user's message, a key of ``WORDINGS``, and what fills its slots."""

    intent: str
    values: Values


@dataclass(frozen=True)
class _Context:
    """What the conversation says so far."""

    shop: Values | None
    parsed: Sequence[Parsed]

    def last(self, intent: str, **required: str) -> Values | None:
        """Return the slots of the user's last message with this intent and, if given, these values."""
        for message in reversed(self.parsed):
            if message.intent == intent and required.items() <= message.values.items():
                return message.values
        return None

    @property
    def address(self) -> str:
        """How a sentence ends that addresses the user: with the name, if it is known."""
        introduction = self.last("tell_name")
        return f", {introduction['name']}" if introduction else ""


Rule = Callable[[Values, _Context], str]


@cache
def _templates() -> list[tuple[str, Template]]:
    return [
        (intent, Template(text, slots_of_intent(intent), loose=True))
        for intent, texts in WORDINGS.items()
        for text in texts
    ]


def parse_message(text: str) -> Parsed | None:
    """Return what a user's message means; None if it is about nothing of this world."""
    for intent, template in _templates():
        values = template.parse(text)
        if values is not None:
            return Parsed(intent, values)
    return None


def parse_system_message(text: str) -> Values | None:
    """Return the shop of a system message; None if it is another text."""
    return _SYSTEM_MESSAGE.parse(text)


def reply(messages: Sequence[Message]) -> str:
    """Return the right reply to these messages, of which the last one is the user's."""
    shops = (parse_system_message(message["content"]) for message in messages if message["role"] == "system")
    parsed = [parse_message(message["content"]) for message in messages if message["role"] == "user"]
    context = _Context(next(shops, None), [each for each in parsed if each])
    last = parsed[-1]
    return _RULES[last.intent](last.values, context) if last else UNKNOWN


def _parity(asked: int) -> Rule:
    def rule(values: Values, context: _Context) -> str:
        rest = int(values["a"]) % 2
        return f"{'Yes' if rest == asked else 'No'}, {values['a']} is {('even', 'odd')[rest]}."

    return rule


def _count(values: Values, context: _Context) -> str:
    first, last = int(values["a"]), int(values["b"])
    step = 1 if first <= last else -1
    return ", ".join(map(str, range(first, last + step, step))) + "."


def _colour(values: Values, context: _Context) -> str:
    thing = values["thing"]
    return f"{thing[0].upper()}{thing[1:]} is {COLOUR_OF[thing]}."


def _weekday(step: int, preposition: str) -> Rule:
    def rule(values: Values, context: _Context) -> str:
        day = WEEKDAYS[(WEEKDAYS.index(values["day"]) + step) % len(WEEKDAYS)]
        return f"{day} comes {preposition} {values['day']}."

    return rule


def _way(values: Values, context: _Context) -> str:
    distance = HOUSES.index(values["end"]) - HOUSES.index(values["start"])
    if distance == 0:
        return f"You are at the {values['start']}."
    side = "right" if distance > 0 else "left"
    return f"From the {values['start']} go {side}. The {values['end']} is the {ORDINALS[abs(distance) - 1]} house."


def _ask_name(values: Values, context: _Context) -> str:
    introduction = context.last("tell_name")
    return f"Your name is {introduction['name']}." if introduction else "You have not told me your name."


def _ask_thing(values: Values, context: _Context) -> str:
    mention = context.last("tell_thing", thing=values["thing"])
    if mention:
        return f"Your {values['thing']} is {mention['colour']}."
    return f"You have not told me about your {values['thing']}."


def _of_shop(text: str) -> Rule:
    """Return a rule that states a fact of the shop, if there is a shop."""
    return lambda values, context: fill(text, context.shop) if context.shop else UNKNOWN


def _price(values: Values, context: _Context) -> str:
    if context.shop is None:
        return UNKNOWN
    prices = {context.shop["x"]: context.shop["p"], context.shop["y"]: context.shop["q"]}
    goods = values["goods"]
    return f"The {goods} costs {prices[goods]} euros." if goods in prices else f"We have no {goods}."


_RULES: dict[str, Rule] = {
    "plus": lambda values, _: f"{values['a']} plus {values['b']} is {int(values['a']) + int(values['b'])}.",
    "minus": lambda values, _: f"{values['a']} minus {values['b']} is {int(values['a']) - int(values['b'])}.",
    "even": _parity(0),
    "odd": _parity(1),
    "count": _count,
    "opposite": lambda values, _: f"The opposite of {values['word']} is {OPPOSITE_OF[values['word']]}.",
    "colour": _colour,
    "after": _weekday(1, "after"),
    "before": _weekday(-1, "before"),
    "way": _way,
    "tell_name": lambda values, _: f"Nice to meet you, {values['name']}!",
    "ask_name": _ask_name,
    "tell_thing": lambda values, _: f"A {values['colour']} {values['thing']}, how nice!",
    "ask_thing": _ask_thing,
    "opening": _of_shop("We open at {opens}."),
    "closing": _of_shop("We close at {closes}."),
    "price": _price,
    "goods": _of_shop("We sell {x} and {y}."),
    "shop": _of_shop("This is the {shop}."),
    "greeting": lambda values, context: f"{values['greeting']}{context.address}! How can I help you?",
    "thanks": lambda _, context: f"You are welcome{context.address}!",
    "farewell": lambda values, context: f"{values['farewell']}{context.address}!",
}
