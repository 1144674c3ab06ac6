"""Tokenizers of networks that transformers does not know: a ``tokenizer.json`` that lies beside the weights."""

from pathlib import Path

from tokenizers import Tokenizer

from onnx_models.errors import ExportError, refusing
from onnx_models.exporting.sources import Source
from onnx_models.tokenizers.write import TOKENIZER


def copy_tokenizer(source: Source, folder: Path, *, vocabulary: int) -> Tokenizer:
    """Write the source's ``tokenizer.json`` into a package, without cutting and padding, which workers do.

    Args:
        source: of the weights.
        folder: of the package.
        vocabulary: how many tokens the network knows.

    Raises:
        ExportError: there is none, it can't be read, or it has more tokens than the network.
    """
    path = source.folder / TOKENIZER
    if not path.is_file():
        raise ExportError(
            f"{source.name}: no {TOKENIZER} beside the weights; save the vocabulary with the `tokenizers` library, "
            "other forms of it can't be served"
        )
    with refusing(f"{path}: not a tokenizer"):
        tokenizer = Tokenizer.from_file(str(path))
    highest = max(tokenizer.get_vocab().values(), default=0)
    if highest >= vocabulary:
        raise ExportError(f"{path}: has a token {highest}, the network knows only {vocabulary} tokens, 0 included")
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.save(str(folder / TOKENIZER))
    return tokenizer
