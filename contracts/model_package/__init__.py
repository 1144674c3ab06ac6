"""The model package on disk: written by `onnx_models`, checked and read by workers."""
