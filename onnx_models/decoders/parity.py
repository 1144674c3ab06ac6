"""Compare a decoder with torch: same tokens, same logits, whatever a row's age and its company.

Rows are fed the reference's tokens, not their own. Up to the first wrong token that is the same, and after it logits
stay comparable, which is what a package of lower precision is measured by.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, RuntimeException
from tokenizers import Tokenizer

from contracts.model_package.graphs import DecoderConcat, DecoderGraph
from contracts.model_package.package import ModelPackage
from onnx_models.decoders.concat import ConcatModel
from onnx_models.decoders.reference import ReferenceDecoder
from onnx_models.decoders.runner import Floats, Runner
from onnx_models.decoders.slot_model import SlotModel
from onnx_models.errors import ParityError
from onnx_models.exporting.sources import Source
from onnx_models.verification.comparison import Comparison
from onnx_models.verification.sample_texts import TEXTS

# What torch and ONNX Runtime raise for a position that the model has no row for.
_TOO_LONG = (IndexError, RuntimeError, InvalidArgument, RuntimeException, Fail)
_SEED = 20260101
_NUM_TOKENS = 20
"""Tokens that are written for each prompt."""
_LENGTHS = (3, 1, 17, 8, 30, 12, 60, 5)
_LONGEST_TOKENS = 1024
"""Longer texts than that are not tried, whatever the manifest allows."""
_NUM_ROWS = 5
"""Places of the runner: fewer than prompts, so that rows take places that others have left."""
_GARBAGE = 1e4
"""What lies in the buffers of a slot graph before anything is read: nothing of it may be noticed."""
_NUM_SAMPLES = 4
"""Sample texts that are prompts too; of all of them the tokens are compared."""
_JOIN_STEPS = 3
"""A row joins the batch every so many steps."""


class Text(NamedTuple):
    """A prompt, and the tokens that the reference writes after it."""

    prompt: list[int]
    tokens: list[int]


def compare(package: ModelPackage, source: Source) -> Comparison:
    """Compare prompts of random tokens and of texts, up to the longest that the manifest allows.

    Each is continued alone; then all of them in a batch that rows join and leave at different steps; each prompt is
    read in two pieces; and several are read in one batch. See `onnx_models.exporting.exporters.Exporter`.
    """
    reference, runner = ReferenceDecoder(source), _runner(package)
    found = Comparison()
    prompts = [*_random_prompts(package, reference), *_sample_prompts(package, reference)]
    try:
        texts = [Text(prompt, reference.write(prompt, _num_tokens(package))) for prompt in prompts]
        _compare_rows(found, runner, reference, texts)
    except _TOO_LONG as error:
        sizes = [len(prompt) for prompt in prompts]
        raise ParityError(f"prompts of {sizes} tokens can't be continued; is max_tokens right? {error}") from error
    prompts = [prompt for prompt in prompts if len(prompt) <= max(_LENGTHS)]
    if isinstance(runner, SlotModel):
        _compare_prefills(found, runner, reference, prompts)
    else:
        _compare_batches(found, runner, reference, prompts)
    found.note("texts", len(texts))
    return found


def play(runner: Runner, texts: Sequence[Text], join_steps: int = 1) -> list[Floats]:
    """Read prompts and write tokens after them, side by side.

    A text joins every ``join_steps`` steps if a place is free, and leaves when all its tokens are written.

    Returns:
        For each text the logits that its tokens are chosen by, float32 [tokens, vocabulary].
    """
    logits: list[list[Floats]] = [[] for _ in texts]
    waiting, free = list(range(len(texts))), list(range(runner.num_rows))
    running: dict[int, int] = {}  # place to text
    step = 0
    while waiting or running:
        if waiting and free and step % join_steps == 0:
            place, text = free.pop(0), waiting.pop(0)
            running[place] = text
            logits[text].append(runner.prefill(place, texts[text].prompt))
        for place in [place for place, text in running.items() if len(logits[text]) == len(texts[text].tokens)]:
            runner.leave(place)
            del running[place]
            free.append(place)
        if running:
            tokens = {place: texts[text].tokens[len(logits[text]) - 1] for place, text in running.items()}
            for place, row in runner.step(tokens).items():
                logits[running[place]].append(row)
        step += 1
    return [np.stack(rows) for rows in logits]


def _runner(package: ModelPackage) -> ConcatModel | SlotModel:
    if isinstance(package.manifest.graph, DecoderConcat):
        return ConcatModel(package, _NUM_ROWS)
    model = SlotModel(package, _NUM_ROWS, min(package.manifest.limits.max_tokens, _LONGEST_TOKENS))
    for buffer in model.buffers.values():
        buffer[:] = _GARBAGE
    return model


def _compare_rows(found: Comparison, runner: Runner, reference: ReferenceDecoder, texts: Sequence[Text]) -> None:
    """Compare texts alone, in company, and with their prompts read in two pieces."""
    together = play(runner, texts, _JOIN_STEPS)
    for text, beside in zip(texts, together, strict=True):
        alone = play(runner, [text])[0]
        expected = reference.logits([*text.prompt, *text.tokens])[len(text.prompt) - 1 : -1]
        found.add(alone, expected)
        found.add_batched(alone, beside)
        for logits in (alone, beside):
            found.add_tokens(logits.argmax(axis=1).tolist(), text.tokens)
        middle = len(text.prompt) // 2
        if middle:
            runner.prefill(0, text.prompt[:middle])
            found.add(runner.prefill(0, text.prompt[middle:]), expected[0])
            runner.leave(0)


def _compare_batches(
    found: Comparison, model: ConcatModel, reference: ReferenceDecoder, prompts: Sequence[list[int]]
) -> None:
    """Compare every position of prompts that are read in one batch; its logits must fit into memory."""
    for prompt, logits in zip(prompts, model.logits(prompts), strict=True):
        found.add(logits, reference.logits(prompt))


def _compare_prefills(
    found: Comparison, model: SlotModel, reference: ReferenceDecoder, prompts: Sequence[list[int]]
) -> None:
    """Compare the last position of prompts of different length that are read in one batch, padded on the right."""
    prompts = prompts[: model.num_rows]
    for prompt, logits in zip(prompts, model.run(0, prompts), strict=True):
        found.add(logits, reference.logits(prompt)[-1])


def _num_tokens(package: ModelPackage) -> int:
    return min(_NUM_TOKENS, package.manifest.limits.max_tokens // 2)


def _longest_prompt(package: ModelPackage) -> int:
    return min(package.manifest.limits.max_tokens, _LONGEST_TOKENS) - _num_tokens(package)


def _random_prompts(package: ModelPackage, reference: ReferenceDecoder) -> list[list[int]]:
    """Return prompts of random tokens; the last one leaves just the room for what is written."""
    longest, rng = _longest_prompt(package), np.random.default_rng(_SEED)
    size = min(len(reference.tokenizer), package.manifest.graph_as(DecoderGraph).decoder.vocabulary)
    return [rng.integers(0, size, min(length, longest)).tolist() for length in (*_LENGTHS, longest)]


def _sample_prompts(package: ModelPackage, reference: ReferenceDecoder) -> list[list[int]]:
    """Return a few sample texts that fit, after making sure that both sides read the same tokens."""
    tokenizer = Tokenizer.from_file(str(package.file("tokenizer.json")))
    prompts = []
    for text in TEXTS:
        prompt = reference.tokenize(text)
        if tokenizer.encode(text).ids != prompt:
            raise ParityError(f"tokenizer.json and transformers' tokenizer disagree about {text!r}")
        if 0 < len(prompt) <= _longest_prompt(package):
            prompts.append(prompt)
    return prompts[:_NUM_SAMPLES]
