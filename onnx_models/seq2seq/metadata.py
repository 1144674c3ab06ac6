"""Read from a source what a manifest states about an encoder-decoder: lengths, sound, prompts."""

from typing import Any

from contracts.model_package.manifest import Limits
from contracts.model_package.tasks import Audio, Transcribe
from onnx_models.encoders.images.metadata import image_table, num_patches
from onnx_models.encoders.metadata import max_tokens
from onnx_models.errors import ExportError, refusing
from onnx_models.exporting.exporters import ExportRequest
from onnx_models.exporting.optimum_exporter import LOCAL
from onnx_models.exporting.sources import Source

_FRAMES_PER_POSITION = 2  # Whisper's second convolution takes every other frame


def limits_of(request: ExportRequest, config: Any) -> Limits:
    """Return how much the encoder reads and how much the decoder writes.

    T5 has no table of positions, so what it may write is what it may read.

    Raises:
        ExportError: more was asked for than there are positions, nothing states a limit, or an input has always the
            same length and so no limit to ask for.
    """
    positions = _positions_of(request, config)
    if positions and request.max_tokens:
        raise ExportError(f"--max-tokens: every input of {config.model_type} has {positions} positions")
    reads = positions or max_tokens(request.source, getattr(config, "encoder", config), request.max_tokens)
    decoder = getattr(config, "decoder", config)
    tables = ("max_target_positions", "max_position_embeddings")
    writes = next((getattr(decoder, name) for name in tables if getattr(decoder, name, None)), reads)
    return Limits(max_tokens=reads, max_new_tokens=writes)


def _positions_of(request: ExportRequest, config: Any) -> int | None:
    """Return how many positions every input has in the encoder, or None for texts."""
    if request.task == "transcribe":
        return int(config.max_source_positions)
    if request.task == "caption":
        return num_patches(image_table(request.source, config.encoder), config.encoder)
    return None


def audio_table(source: Source, config: Any) -> Audio:
    """Return how a recording becomes a log-mel spectrogram of as many frames as the encoder takes.

    Raises:
        ExportError: the source prepares sound otherwise, or for a model of other size.
    """
    from transformers import WhisperFeatureExtractor

    with refusing(f"{source.name}: transformers can't read how it prepares sound"):
        extractor = WhisperFeatureExtractor.from_pretrained(source.folder, **LOCAL)
    frames = _FRAMES_PER_POSITION * config.max_source_positions
    if (extractor.nb_max_frames, extractor.feature_size) != (frames, config.num_mel_bins):
        raise ExportError(
            f"{source.name}: sound is prepared as {extractor.feature_size} bins of {extractor.nb_max_frames} frames, "
            f"but the encoder takes {config.num_mel_bins} of {frames}"
        )
    if extractor.dither or getattr(extractor, "do_normalize", False):
        raise ExportError(f"{source.name}: dithers or normalizes sound before the spectrogram; a package can't say so")
    return Audio(
        sampling_rate=extractor.sampling_rate,
        features="log_mel",
        num_mel_bins=extractor.feature_size,
        n_fft=extractor.n_fft,
        hop_length=extractor.hop_length,
        num_frames=frames,
    )


def transcribe_table(source: Source) -> Transcribe:
    """Return the tokens by which a Whisper is told language and task; those of one language have none for that.

    Raises:
        ExportError: the source's settings are from before they named these tokens.
    """
    settings = source.read_json("generation_config.json")
    if "no_timestamps_token_id" not in settings:
        raise ExportError(
            f"{source.name}: its generation_config.json names no tokens for languages and timestamps; it is outdated, "
            "so take the newer one of the model that this one was trained from"
        )
    tasks = settings.get("task_to_id") or {}
    languages = settings.get("lang_to_id") or {}
    return Transcribe(
        languages={token.strip("<|>"): int(number) for token, number in languages.items()},
        transcribe_token_id=tasks.get("transcribe"),
        translate_token_id=tasks.get("translate"),
        no_timestamps_token_id=settings.get("no_timestamps_token_id"),
    )


def prompts_of(config: Any) -> dict[str, str]:
    """Return what the source puts before a text, by purpose: T5's ``translation_en_to_de`` for example."""
    tasks = getattr(config, "task_specific_params", None) or {}
    prefixes = {name: settings.get("prefix") for name, settings in tasks.items()}
    return {name: prefix for name, prefix in prefixes.items() if prefix and prefix.strip()}
