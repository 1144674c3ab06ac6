"""Slot graphs: decoders whose key-value cache stays where it is and grows in place.

transformers hands every attention to a function of one's choice; here that function writes ONNX Runtime's
GroupQueryAttention, which appends to a buffer and reads it in one operator. What the graph takes and answers is in
docs/architecture/06-slot-graphs.md.
"""
