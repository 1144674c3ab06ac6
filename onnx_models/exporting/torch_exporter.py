"""torch's own exporter, for networks that optimum does not know; needs the export environment.

Graphs are traced (``dynamo=False``), as in optimum: it is fast, keeps named axes and writes one file. A trace follows
one path through Python code, so these networks must not branch on the values or the size of a tensor.
"""

from collections.abc import Mapping
from pathlib import Path

import torch

from onnx_models.errors import refusing
from onnx_models.exporting.optimum_exporter import quiet

OPSET = 18
"""The opset that these graphs were verified with; optimum's default too."""
Axes = dict[int, str]
"""Names of the dynamic axes."""


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
        inputs: name, example and dynamic axes of each input. Examples should be longer than 1 along dynamic axes, since
            the tracer treats 1 as broadcast.
        outputs: name and dynamic axes of each output.
        opset: of the graph; None: ``OPSET``.

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
            # The newer exporter takes 3 to 14 s for a tiny graph, and writes an invalid model if the name of an output
            # equals that of an internal value.
            dynamo=False,
        )
