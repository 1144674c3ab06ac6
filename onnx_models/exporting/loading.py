"""Load a source's weights into a class of transformers, and check that the source has all of them."""

from typing import Any

import torch

from onnx_models.errors import ExportError, refusing
from onnx_models.exporting.optimum_exporter import LOCAL
from onnx_models.exporting.sources import Source


def load_model(model_class: Any, source: Source, *, spare: str | None = None, attention: str | None = None) -> Any:
    """Return the model in float32 on CPU, in evaluation mode.

    Args:
        model_class: a class of transformers with ``from_pretrained``.
        source: the weights.
        spare: weights with this word in their name may be missing, since no output that is read depends on them.
        attention: transformers' name of an attention implementation; None: its default.

    Raises:
        ExportError: transformers can't load it, or weights are missing.
    """
    options = {} if attention is None else {"attn_implementation": attention}
    # use_safetensors: loading a pickle can run any code. float32: published weights may be half precision, but every
    # package is made and compared in fp32 first.
    with refusing(f"{source.name}: transformers can't load it"):
        model, report = model_class.from_pretrained(
            source.folder, use_safetensors=True, dtype=torch.float32, output_loading_info=True, **options, **LOCAL
        )
    # transformers only warns about missing weights and initializes them at random, so a head that was never trained
    # would be exported as if it had been.
    missing = sorted(name for name in report["missing_keys"] if spare is None or spare not in name)
    if missing:
        raise ExportError(
            f"{source.name}: it has no weights for {', '.join(missing[:3])}, which {type(model).__name__} needs; "
            "was it trained for this task?"
        )
    return model.eval()
