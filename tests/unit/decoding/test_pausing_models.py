"""Texts of the starter models that are paused and go on: the same tokens and log-probabilities, to the bit."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contracts.model_package.package import load_package
from contracts.settings import StoreSettings
from tests.support.pauses import write_texts
from workers.decoder.model import DecoderModel
from workers.runtime.decoding.model import DecodingModel
from workers.runtime.decoding.request import Beams, GenerationOutput, GenerationRequest, Ids, Sampling
from workers.runtime.settings import WorkerSettings
from workers.seq2seq.model import open_model

PACKAGES = Path("onnx_models/packages")
SETTINGS = WorkerSettings(StoreSettings(), max_rows=4, threads=1)
GREEDY: dict[str, Any] = {}
SAMPLED = {"sampling": Sampling(do_sample=True, temperature=1.2, top_p=0.9, repetition_penalty=1.1, seed=5)}
STOPPED = {"stop_strings": ("never written",)}
SEARCH = {"beams": Beams(2, num_return_sequences=2)}


def opened(name: str) -> DecodingModel:
    package = load_package(PACKAGES / name)
    return DecoderModel(package, SETTINGS) if name == "starter-generate" else open_model(package, SETTINGS)


def requests_of(name: str, ways: Sequence[dict[str, Any]]) -> list[GenerationRequest]:
    """Return more texts than there are slots, generated in these ways in turn."""
    rng = np.random.default_rng(3)
    ids = [rng.integers(5, 200, length) for length in (40, 3, 12, 25, 7, 18)]
    return [
        replace(_request(name, each), **ways[index % len(ways)], logprobs="beams" not in ways[index % len(ways)])
        for index, each in enumerate(ids)
    ]


def _request(name: str, ids: Ids) -> GenerationRequest:
    if name == "starter-generate":
        return GenerationRequest(prompt_ids=ids, max_new_tokens=60)
    return GenerationRequest(prompt_ids=np.array([1]), source_ids=ids, max_new_tokens=60)


@pytest.mark.parametrize("ways", [(GREEDY, SAMPLED, STOPPED, SEARCH), (SEARCH,)], ids=["all", "searches"])
@pytest.mark.parametrize("name", ["starter-generate", "starter-translate"])
def test_texts_that_were_paused_are_the_same_to_the_bit(name: str, ways: Sequence[dict[str, Any]]) -> None:
    model = opened(name)
    bulk = requests_of(name, ways)
    expected, none = write_texts(model, bulk)
    visitor = replace(bulk[1], max_new_tokens=8, beams=None)
    found, num_pauses = write_texts(model, bulk, visitor)
    assert none == 0 and num_pauses >= 2
    check_same(found, expected)


@pytest.mark.parametrize("name", ["starter-generate", "starter-translate"])
def test_searches_with_as_many_beams_as_slots_let_another_tenant_in(name: str) -> None:
    model = opened(name)
    searches = requests_of(name, ({"beams": Beams(SETTINGS.max_rows)},))
    expected, _ = write_texts(model, searches)
    visitor = replace(searches[1], max_new_tokens=8, beams=None)
    # So rarely that a search is not visited again before it has run for as long as it was paused.
    found, num_pauses = write_texts(model, searches, visitor, every=100, lanes=("default", "default"))
    assert num_pauses >= 2
    check_same(found, expected)


def check_same(found: Sequence[GenerationOutput], expected: Sequence[GenerationOutput]) -> None:
    """Check that texts are the same, to the bit."""
    assert [output.text for output in found] == [output.text for output in expected]
    assert [output.tokens for output in found] == [output.tokens for output in expected]
    assert [repr(output.mean_logprob) for output in found] == [repr(output.mean_logprob) for output in expected]
