"""Read from a decoder's files the facts that its manifest states: how long a text may be, and how chats are written."""

from pathlib import Path
from typing import Any

from onnx_models.errors import ExportError

CHAT_TEMPLATE = "chat_template.jinja"


def max_tokens(config: Any, asked: int | None) -> int:
    """Return the most tokens, prompt and answer together, that a text may have.

    Args:
        config: transformers' config. Its positions are the bound: a table of learned ones has no more rows, and a
            rotary model was not trained on more.
        asked: the user's own number, or None.

    Raises:
        ExportError: more was asked than the model has positions for, or nothing states a limit.
    """
    # BLOOM's distances need no positions; its config still says how long the texts were that it learned from.
    positions = getattr(config, "max_position_embeddings", None) or getattr(config, "seq_length", None)
    scaling = getattr(config, "rope_scaling", None) or {}
    if "longrope" in (scaling.get("rope_type"), scaling.get("type")):
        # Longer texts are rotated by other factors, chosen by the text's length. A graph has one choice in it.
        before = getattr(config, "original_max_position_embeddings", None)
        positions = before or scaling.get("original_max_position_embeddings") or positions
    if asked and positions and asked > positions:
        raise ExportError(f"--max-tokens {asked}: the model has positions for {positions} tokens only")
    limit = asked or positions
    if not limit:
        raise ExportError("nothing in the config states how many tokens the model takes: give --max-tokens")
    return int(limit)


def write_chat_template(tokenizer: Any, folder: Path) -> None:
    """Write the tokenizer's Jinja template of a conversation, the default one if it has several; often it has none."""
    template = tokenizer.chat_template
    if isinstance(template, dict):
        template = template.get("default")
    if template:
        (folder / CHAT_TEMPLATE).write_text(template, encoding="utf-8")
