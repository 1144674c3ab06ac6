"""What is missing for CUDA is named truthfully, from the dynamic loader's words: the driver, a wheel or a library."""

import re

import pytest

from tests.support.paths import ROOT
from workers.runtime.inference import cuda

MISSING = "cannot open shared object file: No such file or directory"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (f"libcuda.so.1: {MISSING}", r"NVIDIA's driver is missing \(libcuda\.so\.1\).*R580"),
        (f"libnvidia-ml.so.1: {MISSING}", r"NVIDIA's driver is missing \(libnvidia-ml\.so\.1\)"),
        (
            f"libcublasLt.so.13: {MISSING}",
            r"libcublasLt\.so\.13 is missing; .* wheel nvidia-cublas, .*worker-gpu",
        ),
        (f"libcudnn.so.9: {MISSING}", "its wheel nvidia-cudnn-cu13"),
        (f"libcudart.so.13: {MISSING}", "its wheel nvidia-cuda-runtime"),
        (f"/a/b/libonnxruntime_providers_cuda.so: {MISSING}", "install onnxruntime-gpu again"),
        (f"libstdc++.so.6: {MISSING}", r"the system's library libstdc\+\+\.so\.6 is missing"),
        ("/x/libcudnn.so.9: version `libcudnn.so.9.99' not found", "can't be loaded: .*version"),
    ],
)
def test_a_missing_library_is_named_with_what_to_do(error: str, message: str) -> None:
    assert re.match(rf".*{message}", cuda.explained(error))
    assert ("driver" in cuda.explained(error)) == ("libcuda.so" in error or "libnvidia" in error)


def test_every_wheel_of_the_lock_is_known_by_its_libraries() -> None:
    lock = (ROOT / "deploy" / "requirements" / "worker-gpu.txt").read_text()
    assert set(re.findall(r"^(nvidia-[a-z0-9-]+)==", lock, re.MULTILINE)) == set(cuda.WHEELS.values())


def test_an_onnxruntime_without_cuda_preloads_nothing_and_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    cuda.preload.cache_clear()
    cuda.preload()
    assert capsys.readouterr().out == ""
    assert "install onnxruntime-gpu again" in cuda.why_unavailable()
