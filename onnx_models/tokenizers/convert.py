"""Convert tokenizers that transformers runs in Python to files that workers can load.

tokenizer.json gets the table of ids, the added tokens, the template of special tokens and the decoder; ``pieces.json``
gets the SentencePiece model (`workers.runtime.tokenizing.sentencepiece`). docs/decisions/0012 says why tokenizer.json
alone is not enough.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from tokenizers import Regex, Tokenizer, decoders, models, processors

from contracts.model_package.manifest import PIECES
from onnx_models.errors import ExportError
from onnx_models.tokenizers.piece_model import read_piece_model
from workers.runtime.tokenizing.sentencepiece import SPACE, PieceModel

_WHITE = r"[\s\x1c-\x1f]"
"""White space as ``str.strip`` defines it, which is more than the \\s of the `tokenizers` library."""
_CLEANED = {
    " .": ".", " ?": "?", " !": "!", " ,": ",", " ' ": "'", " n't": "n't", " 'm": "'m", " 's": "'s", " 've": "'ve",
    " 're": "'re",
}  # fmt: skip
"""Replacements in a decoded text that transformers makes if ``clean_up_tokenization_spaces`` is set."""


def convert(original: Any, name: str, file: Path) -> None:
    """Write tokenizer.json at ``file`` and ``pieces.json`` in its folder for one of transformers' Python tokenizers.

    Raises:
        ExportError: its class or one of its options can't be converted.
    """
    class_name = type(original).__name__
    if class_name not in _CONVERTERS:
        supported = ", ".join(_CONVERTERS)
        raise ExportError(f"{name}: workers can't run its {class_name}, which is no fast tokenizer; only {supported}")
    # For example subword regularization, which segments the same text differently each time.
    if original.sp_model_kwargs:
        raise ExportError(
            f"{name}: its tokenizer has the options {original.sp_model_kwargs}, which workers do not support"
        )
    table, pieces = _CONVERTERS[class_name](original, name)
    file.with_name(PIECES).write_bytes(msgspec.json.encode(pieces))
    _tokenizer(original, table).save(str(file))


def _marian(original: Any, name: str) -> tuple[dict[str, int], PieceModel]:
    if original.separate_vocabs:
        raise ExportError(
            f"{name}: it has separate vocabularies of source and target (separate_vocabs); workers support one for both"
        )
    # The target's model only joins pieces, which the decoder in tokenizer.json does.
    model = original.spm_source.serialized_model_proto()
    return original.encoder, read_piece_model(model, name, language_codes=True)


def _m2m100(original: Any, name: str) -> tuple[dict[str, int], PieceModel]:
    return original.encoder | original.lang_token_to_id, read_piece_model(
        original.sp_model.serialized_model_proto(), name
    )


_CONVERTERS: dict[str, Callable[[Any, str], tuple[dict[str, int], PieceModel]]] = {
    "MarianTokenizer": _marian,
    "M2M100Tokenizer": _m2m100,
}


def _tokenizer(original: Any, table: dict[str, int]) -> Tokenizer:
    added = {token.content: number for number, token in original.added_tokens_decoder.items()}
    # Pieces come from pieces.json, so the model only has to look up their ids.
    tokenizer = Tokenizer(models.WordLevel(table | added, unk_token=original.unk_token))
    tokenizer.add_tokens(list(original.added_tokens_decoder.values()))
    tokenizer.post_processor = _around(original)
    tokenizer.decoder = decoders.Sequence([*_decoding(), *_cleaning(original)])
    return tokenizer


def _around(original: Any) -> processors.PostProcessor:
    """Return the template of special tokens around a text, or around a pair."""
    # Placeholders for the two texts: no token has a negative id.
    text, second = -1, -2

    def template(*placeholders: int) -> list[str]:
        ids = original.build_inputs_with_special_tokens(*([each] for each in placeholders))
        return [{text: "$A", second: "$B"}.get(each) or original.convert_ids_to_tokens(each) for each in ids]

    single, pair = template(text), template(text, second)
    special = sorted({*single, *pair} - {"$A", "$B"})
    return processors.TemplateProcessing(
        single=single, pair=pair, special_tokens=[(token, original.convert_tokens_to_ids(token)) for token in special]
    )


def _decoding() -> Iterator[decoders.Decoder]:
    yield decoders.Fuse()
    yield decoders.Replace(SPACE, " ")
    yield decoders.Replace(Regex(rf"\A{_WHITE}+|{_WHITE}+\z"), "")


def _cleaning(original: Any) -> Iterator[decoders.Decoder]:
    """Yield the steps that transformers applies to a decoded text in Python, after the `tokenizers` library."""
    if original.clean_up_tokenization_spaces:
        # Replace works token by token, so they are joined first.
        yield decoders.Fuse()
        for found, replacement in _CLEANED.items():
            yield decoders.Replace(found, replacement)


def save_backend(original: Any, file: Path) -> None:
    """Write the tokenizer.json of a fast tokenizer of transformers, without truncation and padding."""
    backend = original.backend_tokenizer
    # The source may have settings of its training; workers apply the manifest's limits.
    backend.no_truncation()
    backend.no_padding()
    backend.save(str(file))
    cleaning = [*_cleaning(original)]
    # transformers cleans in Python behind the library, so the library's file has to get the steps.
    if cleaning and backend.decoder is not None:
        tokenizer = Tokenizer.from_file(str(file))
        tokenizer.decoder = decoders.Sequence([tokenizer.decoder, *cleaning])
        tokenizer.save(str(file))
