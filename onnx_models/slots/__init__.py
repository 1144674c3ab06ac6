"""Slot graphs, whose key-value caches are buffers that are updated in place.

transformers lets its user register the function that computes attention. The one here emits ONNX Runtime's
GroupQueryAttention, an operator that appends to a buffer and attends to it. docs/architecture/06-slot-graphs.md
specifies the graphs; `decoders.slots` and `seq2seq.slots` export them.
"""
