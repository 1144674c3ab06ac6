"""Compare an encoder-decoder with torch: same hidden states, same logits, same tokens, whoever shares the batch."""

from collections.abc import Sequence

import numpy as np
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, RuntimeException

from contracts.model_package.graphs import EncoderDecoderSlots, GeneratorGraph
from contracts.model_package.manifest import Manifest
from contracts.model_package.package import ModelPackage
from contracts.model_package.tasks import TranscribeTask, TranslateTask
from onnx_models.errors import ParityError
from onnx_models.exporting.sources import Source
from onnx_models.seq2seq.reference import ReferenceEncoderDecoder
from onnx_models.seq2seq.samples import Batch, sample_batches
from onnx_models.seq2seq.served import Floats, Input, Served, ServedEncoderDecoder
from onnx_models.seq2seq.served_slots import ServedSlots
from onnx_models.seq2seq.writing import write
from onnx_models.verification.comparison import Comparison

# What torch and ONNX Runtime raise for a position that the model has no row for.
_TOO_LONG = (IndexError, RuntimeError, InvalidArgument, RuntimeException, Fail)
_SEED = 20260104
_NUM_ANSWERS, _NUM_TOKENS, _STEPS_APART = 5, 20, 3
_MAX_LOGITS = 2**27
"""Numbers that the check of the longest answer may ask for at once: half a gigabyte on either side."""


def compare(package: ModelPackage, source: Source) -> Comparison:
    """Compare the encoder on every batch, and the decoder on answers to some of the inputs.

    Answers are written with and without company: rows that start three steps apart, over sources of several lengths.
    See `onnx_models.exporting.exporters.Exporter`.
    """
    served = serve(package)
    reference = ReferenceEncoderDecoder(source, package.manifest.task.name)
    found = Comparison()
    batches = sample_batches(served, reference.tokenizer, source, found)
    try:
        for batch in batches:
            _compare_encoders(found, served, reference, batch)
        _compare_longest(found, served, reference, batches[0][0])
    except _TOO_LONG as error:
        raise ParityError(f"an input within the limits can't be run; is max_tokens right? {error}") from error
    inputs = [each for batch in batches for each in batch]
    _compare_answers(found, served, reference, inputs[:: -(-len(inputs) // _NUM_ANSWERS)])
    return found


def serve(package: ModelPackage) -> Served:
    """Load a package's graphs in the way that its kind is served."""
    return (ServedSlots if isinstance(package.manifest.graph, EncoderDecoderSlots) else ServedEncoderDecoder)(package)


def prefix_of(manifest: Manifest) -> list[int]:
    """Return tokens that an answer of this model may start with, in the order in which the decoder reads them.

    Of a multilingual model they name its last language, so that it is not the one that the source has by default.
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
    for each, together, expected in zip(batch, served.encode(batch), expected_of(batch), strict=True):
        found.add(together, expected)
        found.add_batched(served.encode([each])[0], together)


def _compare_longest(found: Comparison, served: Served, reference: ReferenceEncoderDecoder, source: Input) -> None:
    """Let the decoder read as many tokens as the manifest says that it can: in one call, then in three."""
    tokens = _random_tokens(served, min(served.max_new_tokens, _MAX_LOGITS // served.vocabulary))
    encoded, expected = served.encode([source]), reference.logits(source, tokens)
    logits, rows = served.start(encoded, tokens)
    served.leave(rows)
    found.add(logits[0], expected)
    cuts = (len(tokens) // 3, len(tokens) // 2)
    logits, rows = served.start(encoded, tokens[: cuts[0]])
    for piece in (tokens[cuts[0] : cuts[1]], tokens[cuts[1] :]):
        more, rows = served.read(rows, [piece])
        logits = [np.concatenate([logits[0], more[0]])]
    served.leave(rows)
    found.add(logits[0], expected)


def _compare_answers(
    found: Comparison, served: Served, reference: ReferenceEncoderDecoder, inputs: Sequence[Input]
) -> None:
    prefix = prefix_of(served.manifest)
    num_tokens = min(_NUM_TOKENS, served.max_new_tokens - len(prefix))
    encoded = [served.encode([each])[0] for each in inputs]
    expected = [reference.greedy(each, prefix, num_tokens, served.padding) for each in inputs]
    for steps_apart in (0, _STEPS_APART):
        tokens, _ = write(served, encoded, prefix, num_tokens, steps_apart=steps_apart)
        for written, greedy in zip(tokens, expected, strict=True):
            found.add_tokens(written, greedy)
    # Given tokens, so that the logits can be compared where a model of lower precision would have gone elsewhere.
    random = [_random_tokens(served, num_tokens) for _ in inputs]
    for forced in (expected, random):
        _, together = write(served, encoded, prefix, num_tokens, steps_apart=_STEPS_APART, forced=forced)
        for index, each in enumerate(inputs):
            _, alone = write(served, [encoded[index]], prefix, num_tokens, forced=[forced[index]])
            found.add(together[index], _logits(reference, each, prefix, forced[index]))
            found.add_batched(alone[0], together[index])


def _logits(reference: ReferenceEncoderDecoder, source: Input, prefix: Sequence[int], tokens: Sequence[int]) -> Floats:
    """Return the logits that each of the tokens would be chosen by."""
    return reference.logits(source, [*prefix, *tokens][:-1])[len(prefix) - 1 :]


def _random_tokens(served: Served, number: int) -> list[int]:
    """Return tokens other than padding, the same ones for the same number."""
    usable = np.setdiff1d(np.arange(served.vocabulary), [-1 if served.padding is None else served.padding])
    return [int(token) for token in np.random.default_rng(_SEED).choice(usable, number)]
