"""Copies the tokenizer of a network that transformers does not know: the ``tokenizer.json`` in the source's folder."""

from pathlib import Path

from tokenizers import Tokenizer

from onnx_models.errors import ExportError, refusing
from onnx_models.exporting.sources import Source
from onnx_models.tokenizers.write import TOKENIZER, check_source


def copy_tokenizer(source: Source, folder: Path, *, vocabulary: int) -> Tokenizer:
    """Write the source's ``tokenizer.json`` into a package, without truncation and padding, which workers do.

    Args:
        source: the weights.
        folder: of the package.
        vocabulary: number of tokens of the network.

    Raises:
        ExportError: the file is missing, can't be read, takes too much time or memory, or has more tokens than the
            network.
    """
    path = source.folder / TOKENIZER
    if not path.is_file():
        raise ExportError(
            f"{source.name}: no {TOKENIZER} in the folder of the weights; save the vocabulary with "
            "the `tokenizers` library; other forms can't be served"
        )
    check_source(source)
    with refusing(f"{path}: not a tokenizer"):
        tokenizer = Tokenizer.from_file(str(path))
    highest = max(tokenizer.get_vocab().values(), default=0)
    if highest >= vocabulary:
        raise ExportError(
            f"{path}: has a token {highest}, but the network knows only {vocabulary} tokens, starting at 0"
        )
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.save(str(folder / TOKENIZER))
    return tokenizer
