"""What the starter decoder learns from: texts of three registers, in spans that are given or follow by rule."""

import random
from typing import NamedTuple

from onnx_models.starter.writing.chats import write_chat
from onnx_models.starter.writing.functions import random_head, write_function
from onnx_models.starter.writing.poems import Topic, topics, write_poem

END_OF_TEXT = "<|endoftext|>"
END_OF_MESSAGE = "<|end|>"
SPECIAL_TOKENS = (END_OF_TEXT, "<|system|>", "<|user|>", "<|assistant|>", END_OF_MESSAGE)
_SHARES = {"poetry": 0.25, "dialogue": 0.45, "code": 0.3}


class Span(NamedTuple):
    """A piece of a text. ``given``: what a prompt says, from which the rest follows."""

    text: str
    given: bool


def training_text(rng: random.Random) -> list[Span]:
    """Return a text of any register, up to its end token, in which nothing is held out."""
    (register,) = rng.choices(list(_SHARES), list(_SHARES.values()))
    if register == "poetry":
        topic: Topic = rng.choice(_TOPICS)
        title, lines = write_poem(rng, topic).split("\n", 1)
        return [Span(f"{title}\n", given=True), Span(lines + END_OF_TEXT, given=False)]
    if register == "code":
        head = random_head(rng)
        return [Span(head.text, given=True), Span(write_function(head)[len(head.text) :] + END_OF_TEXT, given=False)]
    spans = []
    for message in write_chat(rng):
        spans.append(Span(f"<|{message['role']}|>", given=True))
        spans.append(Span(message["content"] + END_OF_MESSAGE, given=message["role"] != "assistant"))
    return [*spans, Span(END_OF_TEXT, given=False)]


_TOPICS = topics()
