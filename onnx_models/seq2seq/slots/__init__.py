"""Slot graphs of encoder-decoders: `onnx_models.slots` with two caches, one that grows and one of the source."""
