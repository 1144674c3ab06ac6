"""What the longest input of a package costs a worker: attention needs memory for each pair of its tokens."""

from collections.abc import Mapping

from contracts.model_package.manifest import Figures, Manifest
from workers.runtime.inference.session import Session

FIGURE = "longest_call_mb"
"""In the manifest's [export] table."""
_LARGE_MB = 256
_TEXT_INPUTS = {"input_ids", "attention_mask", "token_type_ids"}


def longest_call(manifest: Manifest, sessions: Mapping[str, Session]) -> Figures:
    """Return the memory in MB that a worker plans for a call with the longest text.

    Nothing for packages without a graph that reads whole texts. Decoders have none: prompts are read in pieces.
    """
    session = sessions.get("encoder_model.onnx") or sessions.get("model.onnx")
    if session is None or not set(session.inputs) <= _TEXT_INPUTS:
        return {}
    session.measure_text_encoder(manifest.limits.max_tokens)
    return {FIGURE: round(session.memory.num_bytes(1, manifest.limits.max_tokens) / 1e6)}


def note_of(manifest: Manifest) -> str | None:
    """Return what to tell whoever exports a package whose longest input takes much, or None."""
    num_mb = manifest.export.get(FIGURE, 0)
    if not isinstance(num_mb, int) or num_mb < _LARGE_MB:
        return None
    return (
        f"a text of {manifest.limits.max_tokens} tokens takes {num_mb:,} MB in a worker beside the weights; where "
        "TRIPTYCH_MAX_MEMORY leaves less, it serves shorter texts only (--max-tokens sets another limit)"
    )
