"""Read a SentencePiece model file; workers segment texts with its pieces, from ``pieces.json``."""

from typing import Any, Literal

from onnx_models.errors import ExportError, refusing
from workers.runtime.tokenizing.sentencepiece import PieceModel

_ALGORITHMS: dict[int, Literal["unigram", "bpe"]] = {1: "unigram", 2: "bpe"}
_NORMAL, _UNKNOWN, _CONTROL = 1, 2, 3
"""Types of pieces that workers support; the others are user-defined symbols, unused pieces and bytes."""


def read_piece_model(serialized: bytes, name: str, *, language_codes: bool = False) -> PieceModel:
    """Return the segmentation model of a SentencePiece file.

    Args:
        serialized: content of the file.
        name: of the source, for errors.
        language_codes: whether ``>>code<<`` at the start of a text is one piece.

    Raises:
        ExportError: the model has an option that workers do not support.
    """
    from sentencepiece.sentencepiece_model_pb2 import ModelProto

    with refusing(f"{name}: not a SentencePiece model"):
        model = ModelProto.FromString(serialized)
    _refuse(model, name)
    return PieceModel(
        algorithm=_ALGORITHMS[model.trainer_spec.model_type],
        scores={piece.piece: piece.score for piece in model.pieces if piece.type == _NORMAL},
        charsmap=model.normalizer_spec.precompiled_charsmap,
        add_dummy_prefix=model.normalizer_spec.add_dummy_prefix,
        remove_extra_whitespaces=model.normalizer_spec.remove_extra_whitespaces,
        language_codes=language_codes,
    )


def _refuse(model: Any, name: str) -> None:
    reasons = {
        "an algorithm other than unigram and BPE": model.trainer_spec.model_type not in _ALGORITHMS,
        "user-defined symbols, unused pieces or bytes": any(
            piece.type not in (_NORMAL, _UNKNOWN, _CONTROL) for piece in model.pieces
        ),
        "spaces behind words": model.trainer_spec.treat_whitespace_as_suffix,
        "spaces as they are": not model.normalizer_spec.escape_whitespaces,
        "rules for decoded text": bool(model.denormalizer_spec.precompiled_charsmap),
    }
    found = [reason for reason, holds in reasons.items() if holds]
    if found:
        raise ExportError(f"{name}: its SentencePiece model has {', '.join(found)}, which workers do not support")
