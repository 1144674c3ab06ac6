"""Read the signature of a graph file, without its weights."""

from pathlib import Path

import onnx


def logits_and_inputs(path: Path) -> tuple[int, list[str]]:
    """Return the length of a graph's logits, and the names of its inputs."""
    graph = onnx.load(path, load_external_data=False).graph
    logits = next(output for output in graph.output if output.name == "logits")
    return int(logits.type.tensor_type.shape.dim[-1].dim_value), [tensor.name for tensor in graph.input]
