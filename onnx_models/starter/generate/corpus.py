"""The corpus of the starter decoder: texts of three registers, in spans that a prompt gives or that follow by rule."""

import random
from typing import NamedTuple

from onnx_models.starter.generate.chats import write_chat
from onnx_models.starter.generate.functions import random_head, write_function
from onnx_models.starter.generate.poems import Topic, topics, write_poem

END_OF_TEXT = "<|endoftext|>"
END_OF_MESSAGE = "<|end|>"
SPECIAL_TOKENS = (END_OF_TEXT, "<|system|>", "<|user|>", "<|assistant|>", END_OF_MESSAGE)
# Dialogue is the hardest to learn: its replies depend on what was said before.
_SHARES = {"poetry": 0.25, "dialogue": 0.45, "code": 0.3}


class Span(NamedTuple):
    """A part of a text."""

    text: str
    is_prompt: bool
    """Whether it is given, so that nothing before it decides what it says."""


def training_text(rng: random.Random) -> list[Span]:
    """Return a text of any register up to its end token; nothing in it is held out."""
    (register,) = rng.choices(list(_SHARES), list(_SHARES.values()))
    if register == "poetry":
        topic: Topic = rng.choice(_TOPICS)
        title, lines = write_poem(rng, topic).split("\n", 1)
        return [Span(f"{title}\n", True), Span(lines + END_OF_TEXT, False)]
    if register == "code":
        head = random_head(rng)
        return [Span(head.text, True), Span(write_function(head)[len(head.text) :] + END_OF_TEXT, False)]
    spans = []
    for message in write_chat(rng):
        spans.append(Span(f"<|{message['role']}|>", True))
        spans.append(Span(message["content"] + END_OF_MESSAGE, message["role"] != "assistant"))
    return [*spans, Span(END_OF_TEXT, False)]


_TOPICS = topics()
