"""Exports speech recognition in one pass: wav2vec 2.0 (Baevski et al., 2020) with CTC.

The graph takes ``input_values`` float32 [rows, samples] and has no mask, so the recordings of a call must be equally
long. The package has no tokenizer: the manifest's [ctc] table has the labels of the logits.
"""

from pathlib import Path
from typing import Any, NamedTuple

from contracts.model_package.graphs import Ctc, CtcEncoder
from contracts.model_package.manifest import Batching, Limits, Manifest
from contracts.model_package.tasks import Audio, TranscribeTask
from onnx_models.encoders.ctc.parity import compare
from onnx_models.encoders.graph import write_graph
from onnx_models.errors import ExportError
from onnx_models.exporting.exporters import ExportRequest
from onnx_models.exporting.manifest_writer import manifest_of
from onnx_models.exporting.optimum_exporter import read_config
from onnx_models.exporting.sources import Source
from onnx_models.tokenizers.write import load_tokenizer

__all__ = ["compare", "make"]
_EXTRACTOR = "preprocessor_config.json"
_DEFAULT_S = 30
"""Default of the longest recording in seconds, since the cost of attention grows with its square."""


def make(request: ExportRequest, folder: Path) -> Manifest:
    """Write ``model.onnx``; return the manifest."""
    source, config = request.source, read_config(request.source)
    if request.task != "transcribe":
        raise ExportError(
            f"{source.name}: {config.model_type} recognizes speech: the task is transcribe, not {request.task}"
        )
    steps = steps_of(config)
    audio, ctc = audio_table(source, steps), ctc_table(source, config, steps)
    limit = request.max_tokens or _DEFAULT_S * audio.sampling_rate
    if limit < steps.first:
        raise ExportError(f"--max-tokens {limit}: the model needs at least {steps.first} samples")
    write_graph(request, config.model_type, "automatic-speech-recognition", folder)
    return manifest_of(
        request,
        folder,
        graph=CtcEncoder(ctc=ctc),
        task=TranscribeTask(audio=audio),
        architecture=config.model_type,
        limits=Limits(max_tokens=limit),
        # Without a mask, padding would change the outputs: only recordings of equal length may share a batch.
        batching=Batching(max_batch_tokens=limit, max_padding=1.0),
    )


class Steps(NamedTuple):
    """Receptive field and stride of the convolutions over a waveform."""

    first: int
    """Samples that one row of logits depends on at least; a recording can't be shorter."""
    each: int
    """Samples from one row of logits to the next."""


def steps_of(config: Any) -> Steps:
    """Compute both from the kernels and strides of the feature encoder, which does not pad."""
    # From the first layer to the last: each kernel widens the field by its size times the strides before it.
    first, each = 1, 1
    for kernel, stride in zip(config.conv_kernel, config.conv_stride, strict=True):
        first, each = first + (kernel - 1) * each, each * stride
    return Steps(first, each)


def audio_table(source: Source, steps: Steps) -> Audio:
    """Return the [audio] table from ``preprocessor_config.json``.

    Raises:
        ExportError: there is no such file, or the model takes other features than one waveform.
    """
    settings = source.read_json(_EXTRACTOR)
    if "sampling_rate" not in settings or settings.get("feature_size", 1) != 1:
        raise ExportError(f"{source.name}: {_EXTRACTOR} states no sampling rate of a waveform")
    return Audio(
        sampling_rate=int(settings["sampling_rate"]),
        features="waveform",
        normalize=bool(settings.get("do_normalize", True)),  # transformers' default
        min_samples=steps.first,
    )


def ctc_table(source: Source, config: Any, steps: Steps) -> Ctc:
    """Return the [ctc] table: the label of each logit, as the tokenizer decodes it.

    Raises:
        ExportError: the tokenizer is not one of CTC, or decodes in a way that the table can't express.
    """
    tokenizer = load_tokenizer(source)
    delimiter = getattr(tokenizer, "word_delimiter_token", None)
    if delimiter is None or tokenizer.pad_token_id is None:
        raise ExportError(f"{source.name}: its tokenizer has no blank or no word delimiter, so it is not one of CTC")
    if tokenizer.replace_word_delimiter_char != " ":
        raise ExportError(
            f"{source.name}: its tokenizer separates words by {tokenizer.replace_word_delimiter_char!r}; "
            "a package supports spaces only"
        )
    # From the ids and not from the vocabulary, which may lack rows that the model has.
    labels = tokenizer.convert_ids_to_tokens(list(range(config.vocab_size)))
    if tokenizer.do_lower_case:
        labels, delimiter = [label.lower() for label in labels], delimiter.lower()
    return Ctc(
        labels=labels,
        blank_token_id=tokenizer.pad_token_id,
        word_delimiter=delimiter,
        samples_per_label=steps.each,
    )
