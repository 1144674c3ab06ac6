"""Compare a decoder with torch: the same tokens and the same logits, whatever the batch composition.

Rows are fed the reference's tokens instead of their own. Up to the first wrong token that is the same, and after it
logits can still be compared, which matters for packages of lower precision.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
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
from onnx_models.verification.session import POSITION_ERRORS

_SEED = 20260101
_NUM_TOKENS = 20
"""Tokens that are generated for each prompt."""
_LENGTHS = (3, 1, 17, 8, 30, 12, 60, 5)
_MAX_TOKENS = 1024
"""Longer sequences are not tried, whatever the manifest allows: the reference runs each without a cache."""
_NUM_SLOTS = 5
"""Fewer than there are prompts, so that slots are used again after another sequence."""
_GARBAGE = 1e4
"""Initial content of a slot graph's buffers. It must not influence any result; zeros would hide that it does."""
_NUM_SAMPLES = 4
"""Sample texts that are prompts, too; the token ids of all of them are compared."""
_JOIN_STEPS = 3
"""A sequence joins the batch every so many steps."""


class Continuation(NamedTuple):
    """A prompt, and the tokens that the reference generates after it."""

    prompt: list[int]
    tokens: list[int]


def compare(package: ModelPackage, source: Source) -> Comparison:
    """Compare prompts of random tokens and sample texts, up to the longest that the manifest allows.

    Each prompt is continued alone, and in a batch that sequences join and leave at different steps. Each is also
    prefilled in two chunks, and several are prefilled in one batch.
    """
    reference, runner = ReferenceDecoder(source), _runner(package)
    found = Comparison()
    prompts = [*_random_prompts(package, reference), *_sample_prompts(package, reference)]
    try:
        texts = [Continuation(prompt, reference.generate(prompt, _num_tokens(package))) for prompt in prompts]
        _compare_rows(found, runner, reference, texts)
    except POSITION_ERRORS as error:
        sizes = [len(prompt) for prompt in prompts]
        raise ParityError(f"prompts of {sizes} tokens can't be continued; is max_tokens right? {error}") from error
    # Without the longest prompts: the logits of all positions of a batch must fit into memory.
    prompts = [prompt for prompt in prompts if len(prompt) <= max(_LENGTHS)]
    if isinstance(runner, SlotModel):
        _compare_prefills(found, runner, reference, prompts)
    else:
        _compare_batches(found, runner, reference, prompts)
    found.note("texts", len(texts))
    return found


def forced_logits(runner: Runner, texts: Sequence[Continuation], join_steps: int = 1) -> list[Floats]:
    """Prefill prompts and feed the tokens of their continuations, by continuous batching.

    A text joins every ``join_steps`` steps if a slot is free, and leaves after its last token.

    Returns:
        For each text the logits that its tokens are chosen from, float32 [tokens, vocabulary].
    """
    logits: list[list[Floats]] = [[] for _ in texts]
    waiting, free = list(range(len(texts))), list(range(runner.num_slots))
    running: dict[int, int] = {}  # slot to text
    step = 0
    while waiting or running:
        if waiting and free and step % join_steps == 0:
            slot, text = free.pop(0), waiting.pop(0)
            running[slot] = text
            logits[text].append(runner.prefill(slot, texts[text].prompt))
        for slot in [slot for slot, text in running.items() if len(logits[text]) == len(texts[text].tokens)]:
            runner.free(slot)
            del running[slot]
            free.append(slot)
        if running:
            tokens = {slot: texts[text].tokens[len(logits[text]) - 1] for slot, text in running.items()}
            for slot, row in runner.step(tokens).items():
                logits[running[slot]].append(row)
        step += 1
    return [np.stack(rows) for rows in logits]


def _runner(package: ModelPackage) -> ConcatModel | SlotModel:
    if isinstance(package.manifest.graph, DecoderConcat):
        return ConcatModel(package, _NUM_SLOTS)
    model = SlotModel(package, _NUM_SLOTS, min(package.manifest.limits.max_tokens, _MAX_TOKENS))
    for buffer in model.buffers.values():
        buffer[:] = _GARBAGE
    return model


def _compare_rows(
    found: Comparison, runner: Runner, reference: ReferenceDecoder, texts: Sequence[Continuation]
) -> None:
    """Compare texts alone, in a batch, and with their prompts prefilled in two chunks."""
    batched = forced_logits(runner, texts, _JOIN_STEPS)
    for text, in_batch in zip(texts, batched, strict=True):
        alone = forced_logits(runner, [text])[0]
        expected = reference.logits([*text.prompt, *text.tokens])[len(text.prompt) - 1 : -1]
        found.add(alone, expected)
        found.add_batched(alone, in_batch)
        for logits in (alone, in_batch):
            found.add_tokens(logits.argmax(axis=1).tolist(), text.tokens)
        # A worker prefills long prompts in chunks, with other rows between them.
        middle = len(text.prompt) // 2
        if middle:
            runner.prefill(0, text.prompt[:middle])
            found.add(runner.prefill(0, text.prompt[middle:]), expected[0])
            runner.free(0)


def _compare_batches(
    found: Comparison, model: ConcatModel, reference: ReferenceDecoder, prompts: Sequence[list[int]]
) -> None:
    """Compare every position of prompts that are run as one batch."""
    for prompt, logits in zip(prompts, model.logits(prompts), strict=True):
        found.add(logits, reference.logits(prompt))


def _compare_prefills(
    found: Comparison, model: SlotModel, reference: ReferenceDecoder, prompts: Sequence[list[int]]
) -> None:
    """Compare the last position of prompts of different length that are prefilled as one batch."""
    prompts = prompts[: model.num_slots]
    for prompt, logits in zip(prompts, model.run(0, prompts), strict=True):
        found.add(logits, reference.logits(prompt)[-1])


def _num_tokens(package: ModelPackage) -> int:
    return min(_NUM_TOKENS, package.manifest.limits.max_tokens // 2)


def _longest_prompt(package: ModelPackage) -> int:
    return min(package.manifest.limits.max_tokens, _MAX_TOKENS) - _num_tokens(package)


def _random_prompts(package: ModelPackage, reference: ReferenceDecoder) -> list[list[int]]:
    """Return prompts of random tokens; with its generated tokens, the last one fills the longest sequence."""
    longest, rng = _longest_prompt(package), np.random.default_rng(_SEED)
    # The two can differ: embeddings are often padded to a multiple of 64, and tokens can be added later.
    size = min(len(reference.tokenizer), package.manifest.graph_as(DecoderGraph).decoder.vocabulary)
    return [rng.integers(0, size, min(length, longest)).tolist() for length in (*_LENGTHS, longest)]


def _sample_prompts(package: ModelPackage, reference: ReferenceDecoder) -> list[list[int]]:
    """Return a few sample texts that fit, after checking that both tokenizers give the same token ids for all."""
    tokenizer = Tokenizer.from_file(str(package.file("tokenizer.json")))
    prompts = []
    for text in TEXTS:
        prompt = reference.tokenize(text)
        if tokenizer.encode(text).ids != prompt:
            raise ParityError(f"tokenizer.json and transformers' tokenizer disagree about {text!r}")
        if 0 < len(prompt) <= _longest_prompt(package):
            prompts.append(prompt)
    return prompts[:_NUM_SAMPLES]
