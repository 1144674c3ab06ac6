"""The manifest's [generation] table: the defaults of transformers' ``generate`` for a source.

Needs the export environment.
"""

from typing import Any

from contracts.model_package.graphs import Generation
from onnx_models.errors import refusing
from onnx_models.exporting.optimum_exporter import LOCAL, read_config
from onnx_models.exporting.sources import Source

GENERATION_CONFIG = "generation_config.json"
_TOKENS = (
    "bos_token_id", "pad_token_id", "decoder_start_token_id", "forced_bos_token_id", "forced_eos_token_id"
)  # fmt: skip
_NUMBERS = (
    "num_beams", "length_penalty", "no_repeat_ngram_size", "repetition_penalty", "temperature", "top_k", "top_p",
    "min_length",
)  # fmt: skip


def generation_table(source: Source) -> Generation:
    """Return the defaults of ``generation_config.json``, or of ``config.json`` where a source has no such file.

    Special tokens that ``generation_config.json`` does not name are taken from the config. Settings
    without a field in the manifest are left out, such as strategies that no worker implements (contrastive search,
    diverse beam search).

    Raises:
        ExportError: transformers can't read the files.
    """
    config = read_config(source)
    settings = _read(source, config)
    ends = _either(settings, config, "eos_token_id")
    tokens: dict[str, Any] = {name: _token(_either(settings, config, name)) for name in _TOKENS}
    return Generation(
        **tokens,
        **_numbers(settings),
        eos_token_ids=_tokens(ends if isinstance(ends, list) else [ends]),
        suppress_tokens=_tokens(settings.suppress_tokens),
        begin_suppress_tokens=_tokens(settings.begin_suppress_tokens),
        bad_words_ids=[_tokens(word) for word in settings.bad_words_ids or []],
        do_sample=bool(settings.do_sample),
        early_stopping="never" if settings.early_stopping == "never" else bool(settings.early_stopping),
        max_length=_max_length(settings),
    )


def _read(source: Source, config: Any) -> Any:
    from transformers import GenerationConfig

    with refusing(f"{source.name}: transformers can't read its generation config"):
        if (source.folder / GENERATION_CONFIG).is_file():
            return GenerationConfig.from_pretrained(source.folder, local_files_only=LOCAL["local_files_only"])
        return GenerationConfig.from_model_config(config)


def _either(settings: Any, config: Any, name: str) -> Any:
    """Return the setting of the generation config, else of the decoder's config, else of the model's."""
    for level in (settings, getattr(config, "decoder", None), config):
        value = getattr(level, name, None)
        if value is not None:
            return value
    return None


def _token(value: Any) -> int | None:
    return int(value) if value is not None and int(value) >= 0 else None  # some configs write -1 for "none"


def _tokens(values: Any) -> list[int]:
    return [token for token in map(_token, values or []) if token is not None]


def _numbers(settings: Any) -> dict[str, Any]:
    """Return the numeric settings that the source states."""
    stated = {name: getattr(settings, name) for name in _NUMBERS}
    # Null disables a setting. So does the manifest's default, except for top_k's, which is 50.
    stated["top_k"] = stated["top_k"] or 0
    return {name: value for name, value in stated.items() if value is not None}


def _max_length(settings: Any) -> int | None:
    """Return the default of max_length, or None for transformers' own 20, which says nothing about the model."""
    from transformers import GenerationConfig

    stated = settings.max_length
    return int(stated) if stated and stated != GenerationConfig().max_length else None
