"""Write ``tokenizer.json`` into a package: what transformers really does, in the form that workers can load."""

from pathlib import Path
from typing import Any

from onnx_models.errors import ExportError, refusing
from onnx_models.exporter import LOCAL
from onnx_models.source import Source

TOKENIZER = "tokenizer.json"


def load_tokenizer(source: Source) -> Any:
    """Return transformers' tokenizer of a source.

    Raises:
        ExportError: there is none that transformers can load.
    """
    from transformers import AutoTokenizer

    with refusing(f"{source.name}: transformers can't load its tokenizer"):
        return AutoTokenizer.from_pretrained(source.folder, **LOCAL)


def write_tokenizer(source: Source, folder: Path) -> Any:
    """Write the tokenizer that transformers uses, which a tokenizer.json beside the weights need not be.

    Returns:
        transformers' tokenizer.

    Raises:
        ExportError: it has no form that the `tokenizers` library can run.
    """
    tokenizer = load_tokenizer(source)
    if not tokenizer.is_fast:
        raise ExportError(f"{source.name}: its tokenizer has no tokenizer.json form, so a worker can't run it")
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    backend.save(str(folder / TOKENIZER))
    return tokenizer
