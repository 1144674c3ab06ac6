"""Turn a tokenizer that transformers runs in Python into files that workers can load.

tokenizer.json holds the table of ids, the tokens that are found before a text is cut, what stands around a text and
how to decode; ``pieces.json`` holds the SentencePiece model (`workers.runtime.tokenizing.sentencepiece`).
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
"""What ``str.strip`` takes away."""
_CLEANED = {
    " .": ".", " ?": "?", " !": "!", " ,": ",", " ' ": "'", " n't": "n't", " 'm": "'m", " 's": "'s", " 've": "'ve",
    " 're": "'re",
}  # fmt: skip
"""What transformers replaces in a decoded text where ``clean_up_tokenization_spaces`` is set."""


def convert(original: Any, name: str, file: Path) -> None:
    """Write tokenizer.json at ``file`` and ``pieces.json`` beside it for one of transformers' Python tokenizers.

    Raises:
        ExportError: it is of a class, or uses something, that has no such form.
    """
    kind = type(original).__name__
    if kind not in _KINDS:
        raise ExportError(f"{name}: its {kind} has no form that a worker can run; {', '.join(_KINDS)} have one")
    if original.sp_model_kwargs:
        raise ExportError(f"{name}: its tokenizer cuts texts with {original.sp_model_kwargs}, which workers can't do")
    table, pieces = _KINDS[kind](original, name)
    file.with_name(PIECES).write_bytes(msgspec.json.encode(pieces))
    _tokenizer(original, table).save(str(file))


def _marian(original: Any, name: str) -> tuple[dict[str, int], PieceModel]:
    if original.separate_vocabs:
        raise ExportError(f"{name}: it has a table of ids for each side (separate_vocabs); workers know one for both")
    model = original.spm_source.serialized_model_proto()
    return original.encoder, read_piece_model(model, name, language_codes=True)


def _m2m100(original: Any, name: str) -> tuple[dict[str, int], PieceModel]:
    return original.encoder | original.lang_token_to_id, read_piece_model(
        original.sp_model.serialized_model_proto(), name
    )


_KINDS: dict[str, Callable[[Any, str], tuple[dict[str, int], PieceModel]]] = {
    "MarianTokenizer": _marian,
    "M2M100Tokenizer": _m2m100,
}


def _tokenizer(original: Any, table: dict[str, int]) -> Tokenizer:
    added = {token.content: number for number, token in original.added_tokens_decoder.items()}
    tokenizer = Tokenizer(models.WordLevel(table | added, unk_token=original.unk_token))
    tokenizer.add_tokens(list(original.added_tokens_decoder.values()))
    tokenizer.post_processor = _around(original)
    tokenizer.decoder = decoders.Sequence([*_decoding(), *_cleaning(original)])
    return tokenizer


def _around(original: Any) -> processors.PostProcessor:
    """Return what puts special tokens around a text, or around two that are read as one."""
    text, second = -1, -2

    def template(*places: int) -> list[str]:
        ids = original.build_inputs_with_special_tokens(*([place] for place in places))
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
    """Yield the steps that a decoded text goes through behind the `tokenizers` library, in transformers itself."""
    if original.clean_up_tokenization_spaces:
        yield decoders.Fuse()
        for found, replacement in _CLEANED.items():
            yield decoders.Replace(found, replacement)


def save_backend(original: Any, file: Path) -> None:
    """Write the tokenizer.json of a tokenizer that transformers runs by `tokenizers`, without cutting and padding."""
    backend = original.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    backend.save(str(file))
    cleaning = [*_cleaning(original)]
    if cleaning and backend.decoder is not None:
        tokenizer = Tokenizer.from_file(str(file))
        tokenizer.decoder = decoders.Sequence([tokenizer.decoder, *cleaning])
        tokenizer.save(str(file))
