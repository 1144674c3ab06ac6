"""Chats: conversations of one to four exchanges about a small world, in which each reply follows by rule.

**Held out from training** are combinations of a question, its wording, and what the reply depends on.
"""

import random
from collections.abc import Sequence
from pathlib import Path

from onnx_models.starter.generate.chat_rules import Message, parse_message, parse_system_message, reply
from onnx_models.starter.generate.chat_world import SLOTS, SYSTEM_MESSAGE, UNANSWERABLE, WORDINGS, slots_of_intent
from onnx_models.starter.texts.held_out import is_held_out
from onnx_models.starter.texts.pseudo_words import pseudo_words
from onnx_models.starter.texts.templates import fill, fill_with, slots_of

CHAT_TEMPLATE = Path(__file__).with_name("chat_template.jinja").read_text(encoding="utf-8")
"""Role, content and end of each message, with nothing between the messages."""

_SHOP_INTENTS = ("opening", "closing", "price", "goods", "shop")
_FOLLOW_UPS = {"tell_name": "ask_name", "tell_thing": "ask_thing"}
"""What is worth asking after the user has mentioned something."""
_UNKNOWN_WORDS = pseudo_words(600)


def render(messages: Sequence[Message], *, add_generation_prompt: bool = False) -> str:
    """Return what ``CHAT_TEMPLATE`` makes of messages."""
    text = "".join(f"<|{message['role']}|>{message['content']}<|end|>" for message in messages)
    return f"{text}<|assistant|>" if add_generation_prompt else text


def write_chat(rng: random.Random, *, held_out: bool = False) -> list[Message]:
    """Return a conversation that ends with a reply.

    In a conversation for training nothing is held out; with ``held_out`` its last exchange is.
    """
    while True:
        messages = _write_any(rng)
        questions = [index for index, message in enumerate(messages) if message["role"] == "user"]
        # Earlier exchanges of a held-out chat may be known: only its last reply is evaluated.
        unseen = [_is_held_out(messages[: index + 1]) for index in questions]
        if unseen[-1] if held_out else not any(unseen):
            return messages


def _write_any(rng: random.Random) -> list[Message]:
    messages: list[Message] = []
    if rng.random() < 0.35:
        messages.append({"role": "system", "content": _system_message(rng)})
    intents: list[str] = []
    for _ in range(rng.choice((1, 1, 2, 2, 3, 4))):
        intents.append(_next_intent(rng, intents, bool(messages) and messages[0]["role"] == "system"))
        messages.append({"role": "user", "content": _typed_message(rng, intents[-1], messages)})
        messages.append({"role": "assistant", "content": reply(messages)})
    return messages


def _system_message(rng: random.Random) -> str:
    opens, closes = sorted(rng.sample(range(6, 22), 2))
    goods, prices = rng.sample(SLOTS["goods"], 2), rng.choices(SLOTS["p"], k=2)
    shop = {"shop": rng.choice(SLOTS["shop"]), "opens": str(opens), "closes": str(closes)}
    return fill(SYSTEM_MESSAGE, shop | dict(zip("xypq", [*goods, *prices], strict=True)))


def _next_intent(rng: random.Random, before: Sequence[str], in_shop: bool) -> str:
    if in_shop and rng.random() < 0.7:
        return rng.choice((*_SHOP_INTENTS, "price", "price"))  # which of the two prices is the hardest to learn
    follow_ups = [_FOLLOW_UPS[intent] for intent in before if intent in _FOLLOW_UPS]
    if follow_ups and rng.random() < 0.6:
        return rng.choice(follow_ups)
    # Those whose replies vary most are more frequent.
    return rng.choice([*WORDINGS, "plus", "minus", "way", "unanswerable", *_FOLLOW_UPS, *_FOLLOW_UPS])


def _typed_message(rng: random.Random, intent: str, messages: Sequence[Message]) -> str:
    """Return a user's message with this intent, sometimes in lower case and without punctuation at the end."""
    while True:
        text = _message(rng, intent, messages)
        # A made-up word may be a real one by chance.
        if intent != "unanswerable" or parse_message(text) is None:
            return text.rstrip(".?!").lower() if rng.random() < 0.1 else text


def _message(rng: random.Random, intent: str, messages: Sequence[Message]) -> str:
    if intent == "unanswerable":
        unknown_words = iter(rng.choices(_UNKNOWN_WORDS, k=2))
        return fill_with(rng.choice(UNANSWERABLE), lambda _: next(unknown_words))
    wording, choices = rng.choice(WORDINGS[intent]), slots_of_intent(intent)
    # Drawn even where other values replace them below: all later draws depend on it.
    values = {slot: rng.choice(choices[slot]) for slot in slots_of(wording)}
    if intent in ("plus", "minus"):
        values = _operands(rng, intent)
    elif intent == "count":
        first = rng.randint(0, 12)
        values = {"a": str(first), "b": str(first + rng.randint(1, 8))}
    elif intent in ("ask_thing", "price") and rng.random() < 0.6:
        values |= _mentioned(rng, intent, messages)
    return fill(wording, values)


def _operands(rng: random.Random, intent: str) -> dict[str, str]:
    """Return two numbers whose sum, or difference, is between 0 and 20."""
    whole = rng.randint(0, 20)
    part = rng.randint(0, whole)
    return {"a": str(whole if intent == "minus" else whole - part), "b": str(part)}


def _mentioned(rng: random.Random, intent: str, messages: Sequence[Message]) -> dict[str, str]:
    """Return a thing that the conversation mentions, if there is one."""
    if intent == "price":
        shop = parse_system_message(messages[0]["content"]) if messages else None
        return {"goods": shop[rng.choice("xy")]} if shop else {}
    parsed = [parse_message(message["content"]) for message in messages if message["role"] == "user"]
    things = [message.values["thing"] for message in parsed if message and message.intent == "tell_thing"]
    return {"thing": rng.choice(things)} if things else {}


def _is_held_out(messages: Sequence[Message]) -> bool:
    """Return whether training never sees this question with this reply, or in this shop; small talk never is held out.

    A reply such as "We open at 8." may well be known, but not for this shop: otherwise the model would learn that this
    question never has this reply.
    """
    parsed = parse_message(messages[-1]["content"])
    if parsed is None or parsed.intent in ("greeting", "thanks", "farewell"):
        return False
    about_shop = parsed.intent in _SHOP_INTENTS and messages[0]["role"] == "system"
    depends_on = messages[0]["content"] if about_shop else reply(messages)
    # One key for a wording however it is typed: training must not have it in lower case either.
    return is_held_out(messages[-1]["content"].rstrip(".?!").lower(), depends_on)
