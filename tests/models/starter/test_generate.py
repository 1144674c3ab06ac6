"""The starter decoder: its held-out prompts, an evaluation that accepts nothing else, sampling, its chat template."""

from itertools import pairwise

import jinja2
import pytest

from contracts.model_package.graphs import DecoderGraph
from contracts.model_package.package import ModelPackage
from onnx_models.starter.generate.chats import render
from onnx_models.starter.generate.evaluation import REGISTERS, TEMPERATURES, held_out_prompts
from onnx_models.starter.generation import generate
from tests.models.starter.conftest import starter_package


@pytest.fixture(scope="module")
def package() -> ModelPackage:
    return starter_package("generate")


def test_the_rules_accept_nine_of_ten_texts_at_each_temperature(package: ModelPackage) -> None:
    quality = package.manifest.quality

    for suffix in TEMPERATURES:
        assert sum(float(quality[f"{register}_accepted{suffix}"]) for register in REGISTERS) / len(REGISTERS) >= 0.9


def test_prompts_are_the_same_each_time_and_different_from_each_other() -> None:
    texts = [prompt.text for prompt in held_out_prompts()]

    assert texts == [prompt.text for prompt in held_out_prompts()]
    assert len(set(texts)) == len(REGISTERS) * 100


def test_the_evaluation_refuses_what_answers_another_prompt(package: ModelPackage) -> None:
    """If it accepted anything, any model would look good."""
    prompts = held_out_prompts(20)
    texts = generate(package, [prompt.text for prompt in prompts])

    for register in REGISTERS:
        some = [place for place, prompt in enumerate(prompts) if prompt.register == register]
        moved = [prompts[place].accepts(texts[before] or "") for before, place in pairwise(some)]
        assert sum(moved) <= 2
        for place in some:
            right = texts[place] or ""
            wrong = (right[:-1], right + ".", right + " ", "x" + right, right + "\n" + right, "")
            assert not any(prompts[place].accepts(text) for text in wrong)


def test_the_same_seed_samples_the_same_texts_in_another_batch(package: ModelPackage) -> None:
    prompts = [prompt.text for prompt in held_out_prompts(8)]
    sampled = generate(package, prompts, temperature=1.0, seed=5)

    assert generate(package, prompts[:3], temperature=1.0, seed=5) == sampled[:3]
    assert generate(package, prompts, temperature=1.0, seed=6) != sampled


def test_the_chat_template_renders_what_the_model_was_trained_on(package: ModelPackage) -> None:
    messages = [
        {"role": "system", "content": "You work at a bakery."},
        {"role": "user", "content": "Hello!\n"},
        {"role": "assistant", "content": " Hello! "},
        {"role": "user", "content": "{{ 1 }}"},
    ]
    for options in ({}, {"trim_blocks": True, "lstrip_blocks": True}):
        template = jinja2.Environment(**options).from_string(package.file("chat_template.jinja").read_text())
        assert template.render(messages=messages, add_generation_prompt=True) == render(
            messages, add_generation_prompt=True
        )
        assert template.render(messages=messages[:3]) == render(messages[:3])
        developer = template.render(messages=[{"role": "developer", "content": "You work at a bakery."}])
        assert developer == render(messages[:1])


def test_the_end_of_a_message_and_of_a_text_both_end_an_answer(package: ModelPackage) -> None:
    generation = package.manifest.graph_as(DecoderGraph).generation

    assert generation.eos_token_ids == [0, 4]
    assert not generation.do_sample
