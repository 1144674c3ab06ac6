"""Gemma 1 to 3 (text) with ``position_ids`` as an input, and with the soft caps of Gemma 2.

optimum's configs have no ``position_ids``, and the graph then derives positions from the length of the cache, the same
for every row. Rows of different length in one batch would get wrong positions and wrong tokens. They also trace torch's
scaled-dot-product attention, which omits the soft cap of the scores that Gemma 2 was trained with.
"""

from typing import Any

from optimum.exporters.onnx.model_configs import Gemma2OnnxConfig, Gemma3TextOnnxConfig, GemmaOnnxConfig
from optimum.exporters.tasks import TasksManager


def with_positions(base: Any) -> Any:
    """Return a subclass of optimum's config ``base`` whose graph takes ``position_ids``, int64 [rows, tokens]."""

    class EagerPatcher(base._MODEL_PATCHER):
        def __init__(self, config: Any, model: Any, model_kwargs: dict[str, Any] | None = None) -> None:
            # optimum loads the model itself, so this is the first place where the implementation can be chosen.
            model.set_attn_implementation("eager")
            super().__init__(config, model, model_kwargs)

    class WithPositions(base):
        _MODEL_PATCHER = EagerPatcher

        @property
        def inputs(self) -> dict[str, dict[int, str]]:
            return {**super().inputs, "position_ids": {0: "batch_size", 1: "sequence_length"}}

    WithPositions.__name__ = WithPositions.__qualname__ = f"{base.__name__}WithPositions"
    return WithPositions


# Overwrites optimum's own configs of these architectures.
_register = TasksManager.create_register("onnx", overwrite_existing=True)
for _architecture, _base in {
    "gemma": GemmaOnnxConfig,
    "gemma2": Gemma2OnnxConfig,
    "gemma3_text": Gemma3TextOnnxConfig,
}.items():
    _register(_architecture, "text-generation-with-past")(with_positions(_base))
