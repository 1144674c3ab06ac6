"""A beam search finds what transformers' ``generate(num_beams=...)`` finds: the same texts with the same scores."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.architectures.decoding.generate_options import sampling_of
from tests.architectures.decoding.generate_reference import NUM_TOKENS, SOURCES, Found, Generate
from workers.runtime.decoding.beam_search.search import BeamSearch
from workers.runtime.decoding.request import Beams, GenerationRequest


@torch.inference_mode()
def search(reference: Generate, source: list[int], request: GenerationRequest) -> Found:
    """Return what our search finds with the logits of this model."""
    assert request.beams is not None
    ids = torch.tensor([source])
    mask = torch.ones_like(ids)
    hidden = reference.model.get_encoder()(input_ids=ids, attention_mask=mask)
    ours = BeamSearch(request, request.beams)
    texts = [request.prompt_ids.tolist()] * request.beams.num_beams
    while not ours.finished:
        num = len(texts)
        hidden_of_all = type(hidden)(last_hidden_state=hidden.last_hidden_state.expand(num, -1, -1))
        logits = reference.model(
            encoder_outputs=hidden_of_all,
            attention_mask=mask.expand(num, -1),
            decoder_input_ids=torch.tensor(texts),
            use_cache=False,
        ).logits[:, -1]
        onward = ours.advance(logits.numpy())
        texts = [[*texts[beam], token] for beam, token in zip(onward.beam_idx, onward.token_ids, strict=True)]
    return [(each.token_ids, each.score) for each in ours.hypotheses()]


@pytest.fixture(scope="module", params=["t5", "bart"])
def reference(request: pytest.FixtureRequest, source_of: Callable[[str], Path]) -> Generate:
    return Generate(source_of(f"seq2seq:{request.param}"))


def compare(
    reference: Generate,
    beams: Beams,
    *,
    prefix: list[int] | None = None,
    ends: list[int] | None = None,
    **options: Any,
) -> None:
    """Compare one search for each source; ``options`` are those of ``generate``."""
    prefix = prefix or [reference.start]
    ends = reference.ends if ends is None else ends
    for source in SOURCES:
        request = GenerationRequest(
            prompt_ids=np.array(prefix),
            max_new_tokens=NUM_TOKENS,
            sampling=sampling_of(options),
            beams=beams,
            eos_token_ids=frozenset(ends),
        )
        found = search(reference, source, request)
        expected = reference.find(source, prefix, ends, **vars(beams), **options)
        assert [tokens for tokens, _ in found] == [tokens for tokens, _ in expected]
        assert [score for _, score in found] == pytest.approx([score for _, score in expected], abs=1e-4, rel=1e-5)


@pytest.mark.parametrize("early_stopping", [False, True, "never"])
@pytest.mark.parametrize("length_penalty", [0.0, 0.5, 1.0, 2.0, -1.0])
@pytest.mark.parametrize("num_beams", [2, 3, 4, 8])
def test_beams(reference: Generate, num_beams: int, length_penalty: float, early_stopping: Any) -> None:
    compare(
        reference,
        Beams(num_beams, num_return_sequences=num_beams, length_penalty=length_penalty, early_stopping=early_stopping),
    )


OPTIONS: dict[str, Callable[[list[int]], Any]] = {
    "no_repeat_ngram_size": lambda frequent: 2,
    "repetition_penalty": lambda frequent: 1.6,
    "min_length": lambda frequent: 9,
    "min_new_tokens": lambda frequent: 7,
    "bad_words_ids": lambda frequent: [
        [frequent[0]],
        [frequent[1], frequent[5]],
        [frequent[6], frequent[1], frequent[7]],
    ],
    "forced_bos_token_id": lambda frequent: frequent[8],
    "forced_eos_token_id": lambda frequent: frequent[2],
    "suppress_tokens": lambda frequent: [frequent[3], frequent[9]],
    "begin_suppress_tokens": lambda frequent: frequent[:2],
}
NAMES = [(), *((name,) for name in OPTIONS), *itertools.combinations(OPTIONS, 2), tuple(OPTIONS)]


@pytest.mark.parametrize("names", NAMES, ids=lambda names: "+".join(names) or "none")
def test_constraints(reference: Generate, names: tuple[str, ...]) -> None:
    options = {name: OPTIONS[name](reference.frequent) for name in names}
    compare(reference, Beams(4, num_return_sequences=3), **options)
    compare(reference, Beams(3, early_stopping=True, length_penalty=0.6), prefix=[reference.start, 9, 33], **options)


@pytest.mark.parametrize("num_ends", [0, 1, 2, 8])
@pytest.mark.parametrize("num_beams", [2, 5])
def test_ends(reference: Generate, num_beams: int, num_ends: int) -> None:
    compare(reference, Beams(num_beams, num_return_sequences=num_beams), ends=reference.frequent[2 : 2 + num_ends])
