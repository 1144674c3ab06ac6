"""Architectures that optimum does not export, or exports wrongly, taught to it: one module each, imported here."""

from onnx_models.architectures import modernbert as modernbert
