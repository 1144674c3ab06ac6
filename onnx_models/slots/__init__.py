"""Slot graphs: key-value caches that stay where they are and grow in place, whatever the model around them.

transformers hands every attention to a function of one's choice; here that function writes ONNX Runtime's
GroupQueryAttention, which appends to a buffer and reads it in one operator. What the graphs take and answer is in
docs/architecture/06-slot-graphs.md. `decoders.slots` and `seq2seq.slots` make them.
"""
