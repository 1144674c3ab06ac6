"""ONNX Runtime: sessions, device memory, weights and memory budgets."""
