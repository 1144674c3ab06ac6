"""Compare an encoder-decoder with torch: the same hidden states, logits and tokens, whatever the batch composition."""

from collections.abc import Sequence

import numpy as np

from contracts.model_package.graphs import EncoderDecoderSlots, GeneratorGraph
from contracts.model_package.manifest import Manifest
from contracts.model_package.package import ModelPackage
from contracts.model_package.tasks import TranscribeTask, TranslateTask
from onnx_models.errors import ParityError
from onnx_models.exporting.sources import Source
from onnx_models.seq2seq.generation import generate
from onnx_models.seq2seq.reference import ReferenceEncoderDecoder
from onnx_models.seq2seq.samples import Batch, sample_batches
from onnx_models.seq2seq.served import Floats, Input, Served, ServedEncoderDecoder
from onnx_models.seq2seq.served_slots import ServedSlots
from onnx_models.verification.comparison import Comparison
from onnx_models.verification.session import POSITION_ERRORS

_SEED = 20260104
_NUM_OUTPUTS, _NUM_TOKENS, _STEPS_APART = 5, 20, 3
_MAX_LOGITS = 2**27
"""Most logits in one call of the check of the longest output: half a gigabyte for each side."""


def compare(package: ModelPackage, source: Source) -> Comparison:
    """Compare the encoder on every batch, and the decoder on the outputs for some of the inputs.

    Outputs are generated alone and in batches of rows that start three steps apart, with sources of several lengths.
    """
    served = serve(package)
    reference = ReferenceEncoderDecoder(source, package.manifest.task.name)
    found = Comparison()
    batches = sample_batches(served, reference.tokenizer, source, found)
    try:
        for batch in batches:
            _compare_encoders(found, served, reference, batch)
        _compare_longest(found, served, reference, batches[0][0])
    except POSITION_ERRORS as error:
        raise ParityError(f"an input within the limits can't be run; is max_tokens right? {error}") from error
    inputs = [each for batch in batches for each in batch]
    _compare_outputs(found, served, reference, inputs[:: -(-len(inputs) // _NUM_OUTPUTS)])
    return found


def serve(package: ModelPackage) -> Served:
    """Load a package's graphs into the runner for their kind."""
    return (ServedSlots if isinstance(package.manifest.graph, EncoderDecoderSlots) else ServedEncoderDecoder)(package)


def prefix_of(manifest: Manifest) -> list[int]:
    """Return the first tokens of an output of this model, as the decoder takes them.

    For a multilingual model they select its last language, which differs from the source's default.
    """
    start = manifest.graph_as(GeneratorGraph).generation.decoder_start_token_id
    prompt_ids: list[int | None] = []
    match manifest.task:
        case TranslateTask(translate=table) if table.target != "source_prefix":
            prompt_ids += list(table.languages.values())[-1:]
            start = None if table.target == "decoder_start" else start
        case TranscribeTask(transcribe=table):
            prompt_ids = [*list(table.languages.values())[-1:], table.transcribe_token_id, table.no_timestamps_token_id]
    return [token for token in (start, *prompt_ids) if token is not None]


def _compare_encoders(found: Comparison, served: Served, reference: ReferenceEncoderDecoder, batch: Batch) -> None:
    expected_of = reference.source_cache if isinstance(served, ServedSlots) else reference.encode
    for each, batched, expected in zip(batch, served.encode(batch), expected_of(batch), strict=True):
        found.add(batched, expected)
        found.add_batched(served.encode([each])[0], batched)


def _compare_longest(found: Comparison, served: Served, reference: ReferenceEncoderDecoder, source: Input) -> None:
    """Compare the longest output that the manifest allows: in one call, then in three."""
    tokens = _random_tokens(served, min(served.max_new_tokens, _MAX_LOGITS // served.vocabulary))
    encoded, expected = served.encode([source]), reference.logits(source, tokens)
    logits, rows = served.prefill(encoded, tokens)
    served.free(rows)
    found.add(logits[0], expected)
    # Chunks of unequal length over a past: a graph that was traced with one token would fail here.
    cuts = (len(tokens) // 3, len(tokens) // 2)
    logits, rows = served.prefill(encoded, tokens[: cuts[0]])
    for piece in (tokens[cuts[0] : cuts[1]], tokens[cuts[1] :]):
        more, rows = served.append(rows, [piece])
        logits = [np.concatenate([logits[0], more[0]])]
    served.free(rows)
    found.add(logits[0], expected)


def _compare_outputs(
    found: Comparison, served: Served, reference: ReferenceEncoderDecoder, inputs: Sequence[Input]
) -> None:
    prefix = prefix_of(served.manifest)
    num_tokens = min(_NUM_TOKENS, served.max_new_tokens - len(prefix))
    encoded = [served.encode([each])[0] for each in inputs]
    expected = [reference.greedy(each, prefix, num_tokens, served.padding) for each in inputs]
    for steps_apart in (0, _STEPS_APART):
        tokens, _ = generate(served, encoded, prefix, num_tokens, steps_apart=steps_apart)
        for generated, greedy in zip(tokens, expected, strict=True):
            found.add_tokens(generated, greedy)
    # On forced tokens, logits stay comparable after a model of lower precision would have chosen another token. Random
    # tokens are compared too: greedy outputs of random weights repeat few tokens.
    random = [_random_tokens(served, num_tokens) for _ in inputs]
    for forced in (expected, random):
        _, batched = generate(served, encoded, prefix, num_tokens, steps_apart=_STEPS_APART, forced=forced)
        for index, each in enumerate(inputs):
            _, alone = generate(served, [encoded[index]], prefix, num_tokens, forced=[forced[index]])
            found.add(batched[index], _logits(reference, each, prefix, forced[index]))
            found.add_batched(alone[0], batched[index])


def _logits(reference: ReferenceEncoderDecoder, source: Input, prefix: Sequence[int], tokens: Sequence[int]) -> Floats:
    """Return the logits that each of the tokens would be chosen from."""
    return reference.logits(source, [*prefix, *tokens][:-1])[len(prefix) - 1 :]


def _random_tokens(served: Served, number: int) -> list[int]:
    """Return random tokens other than padding, the same ones for the same number."""
    usable = np.setdiff1d(np.arange(served.vocabulary), [-1 if served.padding is None else served.padding])
    return [int(token) for token in np.random.default_rng(_SEED).choice(usable, number)]
