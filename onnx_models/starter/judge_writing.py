"""Measure the starter decoder on prompts held out from training; needs no training library."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from contracts.model_package.package import ModelPackage
from onnx_models.starter.judge import HELD_OUT_SEED, Quality
from onnx_models.starter.writing.chat_rules import Message, reply
from onnx_models.starter.writing.chats import render, write_chat
from onnx_models.starter.writing.decoding import continue_texts
from onnx_models.starter.writing.functions import is_function, random_head
from onnx_models.starter.writing.poems import is_poem, topics

REGISTERS = ("poetry", "dialogue", "code")
NUM_PROMPTS = 100
"""Prompts of each register."""
TEMPERATURES = {"": 0.0, "_t07": 0.7, "_t10": 1.0}
"""What is added to the name of a figure, by the temperature it was measured at."""


@dataclass(frozen=True)
class Prompt:
    """A text to continue, and who tells whether a continuation is right."""

    register: str
    text: str
    accepts: Callable[[str], bool]


def held_out_prompts(num_prompts: int = NUM_PROMPTS, seed: int = HELD_OUT_SEED) -> list[Prompt]:
    """Return so many different prompts of each register, all held out from training; the same each time."""
    rng = random.Random(seed)  # noqa: S311 - texts, not secrets
    titles = [f"{topic.title}\n" for topic in rng.sample(topics(held_out=True), num_prompts)]
    return [
        *(_judged_whole("poetry", title, is_poem) for title in titles),
        *_different(num_prompts, lambda: _ask(write_chat(rng, held_out=True)[:-1])),
        *_different(num_prompts, lambda: _judged_whole("code", random_head(rng, held_out=True).text, is_function)),
    ]


def _different(num_prompts: int, draw: Callable[[], Prompt]) -> list[Prompt]:
    prompts: dict[str, Prompt] = {}
    while len(prompts) < num_prompts:
        prompt = draw()
        prompts.setdefault(prompt.text, prompt)
    return list(prompts.values())


def _ask(chat: Sequence[Message]) -> Prompt:
    """Return a conversation to which there is one right answer."""
    return Prompt("dialogue", render(chat, answering=True), reply(chat).__eq__)


def _judged_whole(register: str, text: str, is_right: Callable[[str], bool]) -> Prompt:
    """Return a prompt whose text is judged together with its continuation."""
    return Prompt(register, text, lambda continuation: is_right(text + continuation))


def judge_writer(package: ModelPackage) -> Quality:
    """Return the share of texts that the rules accept, whole and at their end, of each register and temperature."""
    prompts = held_out_prompts()
    shares: Quality = {}
    for suffix, temperature in TEMPERATURES.items():
        texts = continue_texts(
            package, [prompt.text for prompt in prompts], temperature=temperature, seed=HELD_OUT_SEED
        )
        for register in REGISTERS:
            shares[f"{register}_accepted{suffix}"] = _share_accepted(register, prompts, texts)
    return shares | {
        "num_prompts": NUM_PROMPTS,
        "measured_on": "synthetic prompts of each register whose combinations were never trained on, "
        f"seed {HELD_OUT_SEED}; accepted: the whole text obeys the rules of onnx_models/starter/writing/; "
        "greedy, and drawn at temperature 0.7 (t07) and 1.0 (t10)",
    }


def _share_accepted(register: str, prompts: Sequence[Prompt], texts: Sequence[str | None]) -> float:
    judged = [
        text is not None and prompt.accepts(text)
        for prompt, text in zip(prompts, texts, strict=True)
        if prompt.register == register
    ]
    return round(sum(judged) / len(judged), 4)
