"""ModernBERT for question answering, a task that optimum supports for other architectures only."""

from optimum.exporters.onnx.model_configs import ModernBertOnnxConfig
from optimum.exporters.tasks import TasksManager

_register = TasksManager.create_register("onnx", overwrite_existing=True)
_register("modernbert", "question-answering")(ModernBertOnnxConfig)
