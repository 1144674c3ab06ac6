"""Configs for architectures that optimum can't export, or exports wrongly. Importing a module registers its configs."""

from onnx_models.architectures import ctrl as ctrl
from onnx_models.architectures import decoder_mask as decoder_mask
from onnx_models.architectures import gemma as gemma
from onnx_models.architectures import modernbert as modernbert
from onnx_models.architectures import openai_gpt as openai_gpt
