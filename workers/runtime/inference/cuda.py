"""CUDA's libraries: found before the first session, and named truthfully where they are missing."""

import contextlib
import ctypes
import io
import re
from functools import cache
from pathlib import Path

import onnxruntime

WHEELS = {
    "libcublas": "nvidia-cublas",
    "libcudart": "nvidia-cuda-runtime",
    "libcudnn": "nvidia-cudnn-cu13",
    "libcufft": "nvidia-cufft",
    "libcurand": "nvidia-curand",
    "libnvJitLink": "nvidia-nvjitlink",
    "libnvrtc": "nvidia-cuda-nvrtc",
}
"""By the beginning of a library's name, the wheel of the GPU lock that holds it."""
_DRIVER = ("libcuda.so", "libnvidia-")
_CUDNN = "libcudnn.so.9"
"""Not a dependency of ONNX Runtime's library, which opens it when it is needed."""
_PROVIDER = Path(onnxruntime.__file__).parent / "capi" / "libonnxruntime_providers_cuda.so"


@cache
def preload() -> None:
    """Load CUDA and cuDNN from their wheels, which lie in folders that the dynamic loader does not search."""
    # It prints what it can't find. Whether that matters is known only once a session has been made.
    with contextlib.redirect_stdout(io.StringIO()):
        onnxruntime.preload_dlls()


def why_unavailable() -> str:
    """Return in one sentence why ONNX Runtime has not made a session on CUDA, by loading its libraries once more."""
    for library in (str(_PROVIDER), _CUDNN):
        try:
            ctypes.CDLL(library)
        except OSError as error:
            return explained(str(error))
    return "its libraries are complete, but there is no usable card: run nvidia-smi where the worker runs"


def explained(error: str) -> str:
    """Return what is missing and what to do, from an error of the dynamic loader."""
    found = re.match(r"(\S+): cannot open shared object file", error)
    if found is None:
        return f"its library can't be loaded: {error}"
    library = Path(found[1]).name
    if library.startswith(_DRIVER):
        return (
            f"NVIDIA's driver is missing ({library}): install driver R580 or newer on the host, and give the container "
            "access to the card (docker run --gpus all)"
        )
    if wheel := next((WHEELS[start] for start in WHEELS if library.startswith(start)), None):
        return f"{library} is missing; install its wheel {wheel}, with all others of deploy/requirements/worker-gpu.txt"
    if library == _PROVIDER.name:
        return f"{library} is missing; install onnxruntime-gpu again, in an environment without onnxruntime"
    return f"the system's library {library} is missing"
