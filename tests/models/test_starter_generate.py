"""The starter decoder in the repository: small, and its texts obey the rules as often as its manifest says.

Runs on what a worker has: onnxruntime, tokenizers, numpy. The held-out prompts are made again here.
"""

from itertools import pairwise

import jinja2
import pytest

from contracts.model_package.package import ModelPackage, load_package
from onnx_models.starter.judge_writing import REGISTERS, TEMPERATURES, held_out_prompts, judge_writer
from onnx_models.starter.writing.chats import render
from onnx_models.starter.writing.decoding import continue_texts
from tests.models.conftest import ROOT

PACKAGE = ROOT / "onnx_models" / "packages" / "starter-generate"
MAX_BYTES = 6_000_000


@pytest.fixture(scope="module")
def package() -> ModelPackage:
    return load_package(PACKAGE)


def test_it_is_small_and_says_what_it_is(package: ModelPackage) -> None:
    manifest = package.manifest

    assert sum(path.stat().st_size for path in package.path.iterdir()) <= MAX_BYTES
    assert (manifest.name, manifest.task, manifest.graph) == ("starter-generate", "generate", "decoder-slots")
    assert manifest.licence == "Apache-2.0"
    assert (ROOT / manifest.source).is_file()
    assert "not for production" in manifest.description
    assert manifest.limits.max_tokens == 256
    assert manifest.verified["relative_diff"] < 1e-4
    assert manifest.verified["same_tokens"] == 1.0


def test_texts_obey_the_rules_as_often_as_the_manifest_says_and_nine_of_ten_in_all(package: ModelPackage) -> None:
    measured, stated = judge_writer(package), package.manifest.quality

    assert measured.keys() == stated.keys()
    assert measured["measured_on"] == stated["measured_on"]
    assert measured["num_prompts"] == stated["num_prompts"] == 100
    for register in REGISTERS:
        for suffix in TEMPERATURES:
            share = measured[f"{register}_accepted{suffix}"]
            assert share == pytest.approx(stated[f"{register}_accepted{suffix}"], abs=0.03), (register, suffix)
            # Below 0.9: what a shop's goods cost, and that it has none of them, was hardly learned.
            assert share >= (0.8 if register == "dialogue" else 0.95), (register, suffix)
    for suffix in TEMPERATURES:
        assert sum(measured[f"{register}_accepted{suffix}"] for register in REGISTERS) / len(REGISTERS) >= 0.9


def test_prompts_are_the_same_each_time_and_different_from_each_other() -> None:
    texts = [prompt.text for prompt in held_out_prompts()]

    assert texts == [prompt.text for prompt in held_out_prompts()]
    assert len(set(texts)) == len(REGISTERS) * 100


def test_the_judge_refuses_what_another_prompt_was_answered(package: ModelPackage) -> None:
    """One who accepts anything would make any model look good."""
    prompts = held_out_prompts(20)
    texts = continue_texts(package, [prompt.text for prompt in prompts])

    for register in REGISTERS:
        some = [place for place, prompt in enumerate(prompts) if prompt.register == register]
        moved = [prompts[place].accepts(texts[before] or "") for before, place in pairwise(some)]
        assert sum(moved) <= 2
        for place in some:
            right = texts[place] or ""
            wrong = (right[:-1], right + ".", right + " ", "x" + right, right + "\n" + right, "")
            assert not any(prompts[place].accepts(text) for text in wrong)


def test_the_same_seed_draws_the_same_texts_in_other_company(package: ModelPackage) -> None:
    prompts = [prompt.text for prompt in held_out_prompts(8)]
    drawn = continue_texts(package, prompts, temperature=1.0, seed=5)

    assert continue_texts(package, prompts[:3], temperature=1.0, seed=5) == drawn[:3]
    assert continue_texts(package, prompts, temperature=1.0, seed=6) != drawn


def test_the_chat_template_renders_what_the_model_was_trained_on(package: ModelPackage) -> None:
    messages = [
        {"role": "system", "content": "You work at a bakery."},
        {"role": "user", "content": "Hello!\n"},
        {"role": "assistant", "content": " Hello! "},
        {"role": "user", "content": "{{ 1 }}"},
    ]
    for options in ({}, {"trim_blocks": True, "lstrip_blocks": True}):
        template = jinja2.Environment(**options).from_string(package.file("chat_template.jinja").read_text())
        assert template.render(messages=messages, add_generation_prompt=True) == render(messages, answering=True)
        assert template.render(messages=messages[:3]) == render(messages[:3])
        developer = template.render(messages=[{"role": "developer", "content": "You work at a bakery."}])
        assert developer == render(messages[:1])


def test_the_end_of_a_message_and_of_a_text_both_end_an_answer(package: ModelPackage) -> None:
    generation = package.manifest.generation

    assert generation is not None
    assert generation.eos_token_ids == [0, 4]
    assert not generation.do_sample
