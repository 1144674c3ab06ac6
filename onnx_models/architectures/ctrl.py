"""CTRL (Keskar et al., 2019), which optimum does not know: a decoder like the others, its config's names aside."""

from optimum.exporters.onnx.config import TextDecoderWithPositionIdsOnnxConfig
from optimum.exporters.tasks import TasksManager
from optimum.utils import NormalizedTextConfig

_register = TasksManager.create_register("onnx", overwrite_existing=True)


@_register("ctrl", "text-generation-with-past")
class CtrlOnnxConfig(TextDecoderWithPositionIdsOnnxConfig):
    """Tensors and axes of the decoders that take positions."""

    NORMALIZED_CONFIG_CLASS = NormalizedTextConfig.with_args(
        num_layers="n_layer", num_attention_heads="n_head", hidden_size="n_embd"
    )
