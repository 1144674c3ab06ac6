"""Slot graphs of encoder-decoders: `onnx_models.slots` with two caches: that of the decoder, and that of the source."""
