"""ONNX Runtime sessions for comparisons."""

import onnxruntime

from contracts.model_package.package import ModelPackage


def open_session(
    package: ModelPackage, graph: str = "model.onnx", *, prepack: bool = True
) -> onnxruntime.InferenceSession:
    """Open a package's graph on CPU, with threads that do not spin while they wait, as in workers.

    Without ``prepack``, weights are held once, instead of once more for each branch of the graph that uses them.
    """
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.disable_prepacking", "0" if prepack else "1")
    return onnxruntime.InferenceSession(str(package.file(graph)), options, providers=["CPUExecutionProvider"])
