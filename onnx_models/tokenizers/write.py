"""Write the tokenizer into a package: the behaviour of transformers, in the form that workers load."""

from pathlib import Path
from typing import Any

from contracts.model_package.files import PackageError
from onnx_models.errors import ExportError, refusing
from onnx_models.exporting.optimum_exporter import LOCAL
from onnx_models.exporting.sources import Source
from onnx_models.tokenizers.convert import convert, save_backend
from onnx_models.tokenizers.equality import check_equal
from workers.runtime.tokenizing.probing import check_tokenizer
from workers.runtime.tokenizing.sentencepiece import open_tokenizer

TOKENIZER = "tokenizer.json"
_EVERY = 10
"""A fast tokenizer is compared on every 10th text only: both sides run the same library on it."""


def load_tokenizer(source: Source) -> Any:
    """Return transformers' tokenizer of a source.

    Raises:
        ExportError: there is none that transformers can load, or it takes too much time or memory.
    """
    from transformers import AutoTokenizer

    check_source(source)
    with refusing(f"{source.name}: transformers can't load its tokenizer"):
        return AutoTokenizer.from_pretrained(source.folder, **LOCAL)


def check_source(source: Source) -> None:
    """Try the source's ``tokenizer.json``, if it has one, before this process runs it on a thousand texts.

    Raises:
        ExportError: it takes too much time or memory.
    """
    try:
        if (source.folder / TOKENIZER).is_file():
            check_tokenizer(source.folder / TOKENIZER)
    except PackageError as error:
        raise ExportError(str(error)) from error


def write_tokenizer(source: Source, folder: Path, *, decodes: bool = False) -> Any:
    """Write the tokenizer that transformers uses. A tokenizer.json in the source can differ from it.

    Args:
        source: the weights.
        folder: of the package.
        decodes: whether it is used for decoding, too, so that decoded texts are compared.

    Returns:
        transformers' tokenizer.

    Raises:
        ExportError: it can't be converted for workers, or the result gives other tokens or texts.
    """
    # Not a copy of the source's tokenizer.json: transformers changes some of its settings when it loads it.
    tokenizer, file = load_tokenizer(source), folder / TOKENIZER
    if tokenizer.is_fast:
        save_backend(tokenizer, file)
        check_equal(tokenizer, open_tokenizer(file), source.name, decodes=decodes, every=_EVERY)
    else:
        convert(tokenizer, source.name, file)
        check_equal(tokenizer, open_tokenizer(file), source.name)
    return tokenizer
