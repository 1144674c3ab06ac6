"""torch's own exporter, for the networks that optimum does not know; needs the export environment.

Graphs are traced (``dynamo=False``), as optimum does it: quick, axes with names, one file. Tracing keeps one path
through Python code, so networks that come here must not branch on the content or the size of a tensor.
"""

from collections.abc import Mapping
from pathlib import Path

import torch

from onnx_models.errors import refusing
from onnx_models.exporting.optimum_exporter import quiet

OPSET = 18
"""What these graphs were proved with, and what optimum writes too."""
Axes = dict[int, str]
"""Names of the axes whose length is free."""


def write_graph(
    network: torch.nn.Module,
    path: Path,
    *,
    inputs: Mapping[str, tuple[torch.Tensor, Axes]],
    outputs: Mapping[str, Axes],
    opset: int | None = None,
) -> None:
    """Write a network as ONNX.

    Args:
        network: takes the inputs in their order and returns the outputs in theirs.
        path: of the file.
        inputs: name, example and free axes of each input. Free axes of examples should be longer than 1.
        outputs: name and free axes of each output.
        opset: of the graph; None: the one above.

    Raises:
        ExportError: torch can't trace it.
    """
    axes = {name: free for name, (_, free) in inputs.items()} | dict(outputs)
    with refusing(f"torch can't write {path.name}"), quiet(), torch.inference_mode():
        torch.onnx.export(
            network.eval(),
            tuple(example for example, _ in inputs.values()),
            path,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes=axes,
            opset_version=opset or OPSET,
            dynamo=False,
        )
