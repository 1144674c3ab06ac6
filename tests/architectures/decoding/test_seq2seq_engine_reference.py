"""The whole decoding engine against transformers' ``generate`` on encoder-decoders: greedy and beam search, mixed."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contracts.task_names import TaskName
from onnx_models.seq2seq.parity import prefix_of
from tests.architectures.conftest import PackageOf
from tests.architectures.decoding.engines import CountingSink, Model
from tests.architectures.decoding.generate_options import sampling_of
from tests.architectures.decoding.generate_reference import NUM_TOKENS, SOURCES, Found, Generate
from tests.architectures.decoding.test_encoder_decoder_caches import SLOTS, STATEFUL
from tests.support.attempts import make_attempt
from tests.support.waiting import PATIENCE_S
from workers.runtime.decoding.engine import DecodingEngine
from workers.runtime.decoding.handle import GenerationHandle
from workers.runtime.decoding.request import Beams, GenerationRequest

_MORE: list[tuple[str, TaskName]] = [("marian_many", "translate"), ("blenderbot_small", "text2text")]
EVERY = [*((*each, "slots") for each in (*SLOTS, *_MORE)), *((*each, "concat") for each in STATEFUL)]
MORE_SOURCES = ([11], [42, 8, 8, 90, 17] * 5)
ASKED: tuple[tuple[Beams | None, dict[str, Any]], ...] = (
    (None, {}),
    (None, {"repetition_penalty": 1.4, "no_repeat_ngram_size": 2}),
    (None, {"min_new_tokens": 6}),
    (Beams(2), {}),
    (Beams(4, num_return_sequences=3, early_stopping=True), {"no_repeat_ngram_size": 3}),
    (Beams(3, num_return_sequences=2, length_penalty=2.0, early_stopping="never"), {"min_length": 5}),
    (Beams(4, length_penalty=0.5), {"repetition_penalty": 1.3}),
)
"""A beam search or None, and options of ``generate``."""


def request_of(
    source: list[int], prefix: list[int], ends: list[int], beams: Beams | None, options: dict[str, Any]
) -> GenerationRequest:
    return GenerationRequest(
        prompt_ids=np.array(prefix, np.int64),
        source_ids=np.array(source, np.int64),
        max_new_tokens=NUM_TOKENS,
        sampling=sampling_of(options),
        beams=beams,
        eos_token_ids=frozenset(ends),
        logprobs=beams is None,
    )


def check(handle: GenerationHandle, model: Model, prefix: list[int], ends: list[int], expected: Found) -> None:
    assert handle.wait(PATIENCE_S)
    [written] = handle.results()
    assert len(written) == len(expected)
    before = model.tokenizer.decode(prefix)
    for text, (tokens, score) in zip(written, expected, strict=True):
        ended = tokens[-1] in ends
        assert (text.num_tokens, text.finish_reason) == (len(tokens), "eos_token" if ended else "length")
        whole = model.tokenizer.decode([*prefix, *tokens[: len(tokens) - ended]])
        assert text.text == whole[len(before) :]
        if text.tokens:
            assert [token.id for token in text.tokens] == tokens
        else:
            assert text.mean_logprob == pytest.approx(score, abs=1e-4)


@pytest.mark.parametrize(("build", "task", "cache"), EVERY)
def test_texts_and_searches_with_random_arrivals_equal_those_of_generate(
    build: str, task: TaskName, cache: str, seq2seq_package_of: PackageOf, source_of: Callable[[str], Path]
) -> None:
    package = seq2seq_package_of(f"seq2seq:{build}", task, cache)
    reference = Generate(source_of(f"seq2seq:{build}"))
    prefix, model, engine = prefix_of(package.manifest), Model(package, max_rows=7), DecodingEngine(CountingSink())
    # No model is trained to generate padding, and M2M100 has no position for it.
    asked = [
        (source, beams, {**options, "suppress_tokens": [reference.pad]})
        for source in (*SOURCES, *MORE_SOURCES)
        for beams, options in ASKED
    ]
    chance = random.Random(f"{build} {cache}")
    chance.shuffle(asked)
    handles: list[GenerationHandle] = []
    for source, beams, options in asked:
        request = request_of(source, prefix, reference.ends, beams, options)
        handles.append(engine.submit(model, [request], make_attempt()))
        if chance.random() < 0.3:
            handles[chance.randrange(len(handles))].wait(PATIENCE_S)
    for (source, beams, options), handle in zip(asked, handles, strict=True):
        expected = reference.find(source, prefix, reference.ends, **(vars(beams) if beams else {}), **options)
        check(handle, model, prefix, reference.ends, expected)
    assert model.cache.tokens_held == 0
