"""ONNX Runtime: sessions, tensors on a device, shared weights, and budgets of tokens."""
