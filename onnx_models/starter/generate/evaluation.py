"""Measure the starter decoder: how often what it generates for held-out prompts obeys the rules."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from contracts.model_package.manifest import Figures
from contracts.model_package.package import ModelPackage
from onnx_models.starter.evaluation import HELD_OUT_SEED, share
from onnx_models.starter.generate.chat_rules import Message, reply
from onnx_models.starter.generate.chats import render, write_chat
from onnx_models.starter.generate.functions import is_function, random_head
from onnx_models.starter.generate.poems import is_poem, topics
from onnx_models.starter.generation import generate
from onnx_models.starter.texts.held_out import draw_distinct

REGISTERS = ("poetry", "dialogue", "code")
NUM_PROMPTS = 100
"""Prompts of each register."""
TEMPERATURES = {"": 0.0, "_t07": 0.7, "_t10": 1.0}
"""By the suffix of a figure's name, the temperature at which it is measured."""


@dataclass(frozen=True)
class Prompt:
    """A text to continue, and the check of a continuation."""

    register: str
    text: str
    accepts: Callable[[str], bool]


def held_out_prompts(num_prompts: int = NUM_PROMPTS, seed: int = HELD_OUT_SEED) -> list[Prompt]:
    """Return different prompts of each register, all held out from training; the same each time."""
    rng = random.Random(seed)  # noqa: S311 - texts, not secrets
    titles = [f"{topic.title}\n" for topic in rng.sample(topics(held_out=True), num_prompts)]

    def distinct(draw: Callable[[], Prompt]) -> list[Prompt]:
        return draw_distinct(num_prompts, draw, lambda prompt: prompt.text)

    return [
        *(_prompt("poetry", title, is_poem) for title in titles),
        *distinct(lambda: _chat_prompt(write_chat(rng, held_out=True)[:-1])),
        *distinct(lambda: _prompt("code", random_head(rng, held_out=True).text, is_function)),
    ]


def _chat_prompt(chat: Sequence[Message]) -> Prompt:
    """Return a conversation to which there is one right reply."""
    return Prompt("dialogue", render(chat, add_generation_prompt=True), reply(chat).__eq__)


def _prompt(register: str, text: str, is_right: Callable[[str], bool]) -> Prompt:
    """Return a prompt that is checked together with its continuation."""
    return Prompt(register, text, lambda continuation: is_right(text + continuation))


def evaluate(package: ModelPackage) -> Figures:
    """Return the share of accepted texts by register and temperature; a text must be right as a whole and end."""
    prompts = held_out_prompts()
    shares: Figures = {}
    for suffix, temperature in TEMPERATURES.items():
        texts = generate(package, [prompt.text for prompt in prompts], temperature=temperature, seed=HELD_OUT_SEED)
        for register in REGISTERS:
            shares[f"{register}_accepted{suffix}"] = share(
                text is not None and prompt.accepts(text)
                for prompt, text in zip(prompts, texts, strict=True)
                if prompt.register == register
            )
    return shares | {
        "num_prompts": NUM_PROMPTS,
        "measured_on": "synthetic prompts of each register whose combinations were never trained on, "
        f"seed {HELD_OUT_SEED}; accepted: the whole text obeys the rules of onnx_models/starter/generate/; "
        "greedy, and drawn at temperature 0.7 (t07) and 1.0 (t10)",
    }
