"""ModernBERT for question answering: optimum knows the architecture, and the task from others."""

from optimum.exporters.onnx.model_configs import ModernBertOnnxConfig
from optimum.exporters.tasks import TasksManager

_register = TasksManager.create_register("onnx", overwrite_existing=True)
_register("modernbert", "question-answering")(ModernBertOnnxConfig)
