"""Chats: conversations of one to four exchanges about a small world, in which each answer follows by rule.

**Held out from training** are combinations of what is asked, in which words, and what the answer goes by.
"""

import random
from collections.abc import Sequence

from onnx_models.starter.templates import nonsense
from onnx_models.starter.writing.chat_rules import Message, gaps_of, read, reply
from onnx_models.starter.writing.chat_words import FILLINGS, SHOP, STRANGE, WORDINGS
from onnx_models.starter.writing.gaps import Gaps, is_held_out

TEMPLATE = """\
{%- for message in messages %}
{%- set role = 'system' if message['role'] == 'developer' else message['role'] %}
{%- if role in ('system', 'user', 'assistant') %}
{{- '<|' + role + '|>' + message['content'] + '<|end|>' }}
{%- else %}
{{- raise_exception('this model knows the roles system, user and assistant') }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|assistant|>' }}
{%- endif %}
"""
"""The chat template (Jinja): role, content and end of each message, without anything between them."""

_OF_SHOPS = ("opening", "closing", "price", "goods", "shop")
_FOLLOWING = {"tell_name": "ask_name", "tell_thing": "ask_thing"}
"""What is worth asking once something was told."""
_STRANGE_WORDS = nonsense(600)


def render(messages: Sequence[Message], *, answering: bool = False) -> str:
    """Return what `TEMPLATE` makes of messages; ``answering``: with what stands before the next answer."""
    text = "".join(f"<|{message['role']}|>{message['content']}<|end|>" for message in messages)
    return f"{text}<|assistant|>" if answering else text


def write_chat(rng: random.Random, *, held_out: bool = False) -> list[Message]:
    """Return a conversation that ends in an answer.

    In one for training nothing is held out; with ``held_out`` the last exchange is.
    """
    while True:
        messages = _write_any(rng)
        asked = [place for place, message in enumerate(messages) if message["role"] == "user"]
        unseen = [_is_held_out(messages[: place + 1]) for place in asked]
        if unseen[-1] if held_out else not any(unseen):
            return messages


def _write_any(rng: random.Random) -> list[Message]:
    messages: list[Message] = []
    if rng.random() < 0.35:
        messages.append({"role": "system", "content": _shop(rng)})
    topics: list[str] = []
    for _ in range(rng.choice((1, 1, 2, 2, 3, 4))):
        topics.append(_next_topic(rng, topics, bool(messages) and messages[0]["role"] == "system"))
        messages.append({"role": "user", "content": _say(rng, topics[-1], messages)})
        messages.append({"role": "assistant", "content": reply(messages)})
    return messages


def _shop(rng: random.Random) -> str:
    opens, closes = sorted(rng.sample(range(6, 22), 2))
    goods, prices = rng.sample(FILLINGS["x"], 2), rng.choices(FILLINGS["p"], k=2)
    shop = rng.choice(FILLINGS["shop"])
    filling = {"shop": shop, "opens": str(opens), "closes": str(closes)}
    return Gaps(SHOP, {}).fill(filling | dict(zip("xypq", [*goods, *prices], strict=True)))


def _next_topic(rng: random.Random, before: Sequence[str], in_shop: bool) -> str:
    if in_shop and rng.random() < 0.7:
        return rng.choice((*_OF_SHOPS, "price", "price"))  # which of the two prices is the hardest to learn
    told = [_FOLLOWING[topic] for topic in before if topic in _FOLLOWING]
    if told and rng.random() < 0.6:
        return rng.choice(told)
    return rng.choice([*WORDINGS, "plus", "minus", "way", "strange", *_FOLLOWING, *_FOLLOWING])


def _say(rng: random.Random, topic: str, messages: Sequence[Message]) -> str:
    """Return a message of the user on a topic, as people type."""
    while True:
        text = _plain(rng, topic, messages)
        if topic != "strange" or read(text) is None:
            return text.rstrip(".?!").lower() if rng.random() < 0.1 else text


def _plain(rng: random.Random, topic: str, messages: Sequence[Message]) -> str:
    if topic == "strange":
        words = iter(rng.choices(_STRANGE_WORDS, k=2))
        text = rng.choice(STRANGE)
        while "{strange}" in text:
            text = text.replace("{strange}", next(words), 1)
        return text
    gaps = Gaps(rng.choice(WORDINGS[topic]), gaps_of(topic))
    filling = {name: rng.choice(gaps.words[name]) for name in gaps.names}
    if topic in ("plus", "minus"):
        filling = _sum(rng, topic)
    elif topic == "count":
        first = rng.randint(0, 12)
        filling = {"a": str(first), "b": str(first + rng.randint(1, 8))}
    elif topic in ("ask_thing", "price") and rng.random() < 0.6:
        filling |= _named_before(rng, topic, messages)
    return gaps.fill(filling)


def _sum(rng: random.Random, topic: str) -> dict[str, str]:
    """Return two numbers whose sum, or difference, is between 0 and 20."""
    whole = rng.randint(0, 20)
    part = rng.randint(0, whole)
    return {"a": str(whole if topic == "minus" else whole - part), "b": str(part)}


def _named_before(rng: random.Random, topic: str, messages: Sequence[Message]) -> dict[str, str]:
    """Return a thing that the conversation knows, if it knows one."""
    if topic == "price":
        shop = Gaps(SHOP, FILLINGS).read(messages[0]["content"]) if messages else None
        return {"goods": shop[rng.choice("xy")]} if shop else {}
    told = [read(message["content"]) for message in messages if message["role"] == "user"]
    things = [said.filling["thing"] for said in told if said and said.topic == "tell_thing"]
    return {"thing": rng.choice(things)} if things else {}


def _is_held_out(messages: Sequence[Message]) -> bool:
    """Tell whether training never sees this question with this answer, or in this shop; small talk is never held out.

    An answer like "We open at 8." may well be known, but not from this shop: else what was learned would be that this
    question is never answered so.
    """
    said = read(messages[-1]["content"])
    if said is None or said.topic in ("greeting", "thanks", "farewell"):
        return False
    of_shop = said.topic in _OF_SHOPS and messages[0]["role"] == "system"
    goes_by = messages[0]["content"] if of_shop else reply(messages)
    return is_held_out(messages[-1]["content"].rstrip(".?!").lower(), goes_by)
