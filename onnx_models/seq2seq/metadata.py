"""Read the metadata of an encoder-decoder for its manifest: limits, audio preprocessing, prompts."""

from typing import Any

from contracts.model_package.manifest import Limits
from contracts.model_package.tasks import Audio, Transcribe
from onnx_models.encoders.images.metadata import image_table, num_patches
from onnx_models.encoders.metadata import max_tokens
from onnx_models.errors import ExportError, refusing
from onnx_models.exporting.exporters import ExportRequest
from onnx_models.exporting.optimum_exporter import LOCAL
from onnx_models.exporting.sources import Source

_FRAMES_PER_POSITION = 2  # Whisper's second convolution has a stride of 2


def limits_of(request: ExportRequest, config: Any) -> Limits:
    """Return the longest input of the encoder and the longest output of the decoder, in tokens.

    Raises:
        ExportError: more is requested than there are positions, nothing states a limit, or a limit is requested for
            inputs that all have the same length.
    """
    positions = _positions_of(request, config)
    if positions and request.max_tokens:
        raise ExportError(f"--max-tokens: all inputs of {config.model_type} have {positions} positions")
    longest_input = positions or max_tokens(request.source, getattr(config, "encoder", config), request.max_tokens)
    decoder = getattr(config, "decoder", config)
    tables = ("max_target_positions", "max_position_embeddings")
    # T5 has no table of positions, so its outputs get the limit of its inputs.
    longest_output = next((getattr(decoder, name) for name in tables if getattr(decoder, name, None)), longest_input)
    return Limits(max_tokens=longest_input, max_new_tokens=longest_output)


def _positions_of(request: ExportRequest, config: Any) -> int | None:
    """Return the number of encoder positions that every input has, or None for texts, whose length varies."""
    if request.task == "transcribe":
        return int(config.max_source_positions)
    if request.task == "caption":
        return num_patches(image_table(request.source, config.encoder), config.encoder)
    return None


def audio_table(source: Source, config: Any) -> Audio:
    """Return the parameters of the log-mel spectrogram, whose number of frames must be that of the encoder.

    Raises:
        ExportError: the source preprocesses audio in another way, or for a model of another size.
    """
    from transformers import WhisperFeatureExtractor

    with refusing(f"{source.name}: transformers can't load its feature extractor"):
        extractor = WhisperFeatureExtractor.from_pretrained(source.folder, **LOCAL)
    frames = _FRAMES_PER_POSITION * config.max_source_positions
    if (extractor.nb_max_frames, extractor.feature_size) != (frames, config.num_mel_bins):
        raise ExportError(
            f"{source.name}: its features are {extractor.feature_size} bins of {extractor.nb_max_frames} frames, "
            f"but the encoder takes {config.num_mel_bins} of {frames}"
        )
    if extractor.dither or getattr(extractor, "do_normalize", False):
        raise ExportError(f"{source.name}: it dithers or normalizes audio, which a package can't express")
    return Audio(
        sampling_rate=extractor.sampling_rate,
        features="log_mel",
        num_mel_bins=extractor.feature_size,
        n_fft=extractor.n_fft,
        hop_length=extractor.hop_length,
        num_frames=frames,
    )


def transcribe_table(source: Source) -> Transcribe:
    """Return Whisper's tokens for languages and tasks; models of one language have none.

    Raises:
        ExportError: the source's generation config is from a time before it named these tokens.
    """
    settings = source.read_json("generation_config.json")
    if "no_timestamps_token_id" not in settings:
        raise ExportError(
            f"{source.name}: its generation_config.json has no tokens for languages and timestamps; it is outdated, "
            "so take the newer one of the model that this one was fine-tuned from"
        )
    tasks = settings.get("task_to_id") or {}
    languages = settings.get("lang_to_id") or {}
    return Transcribe(
        # Tokens are written <|en|>, codes en.
        languages={token.strip("<|>"): int(number) for token, number in languages.items()},
        transcribe_token_id=tasks.get("transcribe"),
        translate_token_id=tasks.get("translate"),
        no_timestamps_token_id=settings.get("no_timestamps_token_id"),
    )


def prompts_of(config: Any) -> dict[str, str]:
    """Return the prefixes that the source puts before a text, by purpose, such as T5's ``translation_en_to_de``."""
    tasks = getattr(config, "task_specific_params", None) or {}
    prefixes = {name: settings.get("prefix") for name, settings in tasks.items()}
    return {name: prefix for name, prefix in prefixes.items() if prefix and prefix.strip()}
