"""CTRL (Keskar et al., 2019), which optimum does not know. Only the names in its config differ from other decoders."""

from optimum.exporters.onnx.config import TextDecoderWithPositionIdsOnnxConfig
from optimum.exporters.tasks import TasksManager
from optimum.utils import NormalizedTextConfig

_register = TasksManager.create_register("onnx", overwrite_existing=True)


@_register("ctrl", "text-generation-with-past")
class CtrlOnnxConfig(TextDecoderWithPositionIdsOnnxConfig):
    """Export config of CTRL."""

    NORMALIZED_CONFIG_CLASS = NormalizedTextConfig.with_args(
        num_layers="n_layer", num_attention_heads="n_head", hidden_size="n_embd"
    )
