"""CLIP's text tower and image tower, each as a graph whose only output is the embeddings.

optimum itself exports both towers as one graph, or the image tower without its projection.
"""

from typing import Any

from optimum.exporters.onnx.config import TextEncoderOnnxConfig
from optimum.exporters.onnx.model_configs import CLIPVisionModelOnnxConfig
from optimum.utils import NormalizedTextConfig

Axes = dict[str, dict[int, str]]
_POOLED = "pooler_output"
"""transformers' name for the vector of a tower without a projection."""


class TextTower(TextEncoderOnnxConfig):
    """``input_ids``, ``attention_mask`` [rows, tokens] to ``text_embeds`` [rows, size]."""

    NORMALIZED_CONFIG_CLASS = NormalizedTextConfig

    @property
    def inputs(self) -> Axes:
        """Names and dynamic axes of the inputs."""
        axes = {0: "batch_size", 1: "sequence_length"}
        return {"input_ids": axes, "attention_mask": axes}

    @property
    def outputs(self) -> Axes:
        """Name and dynamic axis of the output."""
        return {"text_embeds": {0: "batch_size"}}

    @property
    def torch_to_onnx_output_map(self) -> dict[str, str]:
        """Transformers' names of outputs to names of the graph."""
        # A tower with a projection returns its output under the graph's name already.
        return {_POOLED: "text_embeds"}


class ImageTower(CLIPVisionModelOnnxConfig):
    """``pixel_values`` [rows, channels, height, width] to ``image_embeds`` [rows, size]."""

    @property
    def outputs(self) -> Axes:
        """Name and dynamic axis of the output."""
        return {"image_embeds": {0: "batch_size"}}

    @property
    def torch_to_onnx_output_map(self) -> dict[str, str]:
        """Transformers' names of outputs to names of the graph."""
        # As in `TextTower`.
        return {_POOLED: "image_embeds"}


def tower_config(model: Any, task: str) -> TextTower | ImageTower:
    """Return optimum's export config of a loaded tower for ``embed`` or ``embed-image``."""
    config = TextTower if task == "embed" else ImageTower
    return config(model.config, task="feature-extraction")
