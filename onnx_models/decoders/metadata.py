"""Read the metadata of a decoder for its manifest: the longest sequence and the chat template."""

from pathlib import Path
from typing import Any

from onnx_models.errors import ExportError

CHAT_TEMPLATE = "chat_template.jinja"


def max_tokens(config: Any, requested: int | None) -> int:
    """Return the longest sequence in tokens, prompt and generated tokens together.

    Args:
        config: transformers' config. Its number of positions is the upper bound: a table of learned positions has no
            more rows, and a rotary model was not trained on longer sequences.
        requested: ``--max-tokens``, or None.

    Raises:
        ExportError: more is requested than the model has positions for, or nothing states a limit.
    """
    # BLOOM's attention biases need no positions; its config still states the length of its training sequences.
    positions = getattr(config, "max_position_embeddings", None) or getattr(config, "seq_length", None)
    scaling = getattr(config, "rope_scaling", None) or {}
    if "longrope" in (scaling.get("rope_type"), scaling.get("type")):
        # LongRoPE (Phi-3) switches to other rotation factors beyond the original length. The tracer fixes one of the
        # two sets in the graph, the one for short sequences.
        before = getattr(config, "original_max_position_embeddings", None)
        positions = before or scaling.get("original_max_position_embeddings") or positions
    if requested and positions and requested > positions:
        raise ExportError(f"--max-tokens {requested}: the model has positions for {positions} tokens only")
    limit = requested or positions
    if not limit:
        raise ExportError("nothing in the config states how many tokens the model takes: give --max-tokens")
    return int(limit)


def write_chat_template(tokenizer: Any, folder: Path) -> None:
    """Write the tokenizer's chat template (Jinja), if it has one; the one named "default" if it has several."""
    template = tokenizer.chat_template
    if isinstance(template, dict):
        template = template.get("default")
    if template:
        (folder / CHAT_TEMPLATE).write_text(template, encoding="utf-8")
