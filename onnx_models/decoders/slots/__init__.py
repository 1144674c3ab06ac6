"""Slot graphs of decoders: `onnx_models.slots` with one cache, and prompts of many tokens."""
