"""Image encoders: single towers of CLIP, and preprocessing that a package can't express or states wrongly."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image as Pictures

from contracts.model_package.tasks import EmbedImageTask, EmbedTask, Image
from contracts.task_names import TaskName
from onnx_models.encoders.images.metadata import image_table
from onnx_models.encoders.images.parity import preprocess_both_ways
from onnx_models.encoders.images.served import preprocess
from onnx_models.errors import ExportError, ParityError
from onnx_models.exporting.export import export_package
from onnx_models.exporting.exporters import ExportRequest
from onnx_models.exporting.sources import Source, open_source
from onnx_models.verification.comparison import Comparison

Sources = Callable[[str], Path]
CLIP: dict[str, Any] = {
    "image_processor_type": "CLIPImageProcessor",
    "size": {"shortest_edge": 36},
    "crop_size": {"height": 32, "width": 32},
}
VIT: dict[str, Any] = {"image_processor_type": "ViTImageProcessor", "size": {"height": 32, "width": 32}}
SQUARE = SimpleNamespace(image_size=32)


def source_with(folder: Path, settings: dict[str, Any]) -> Source:
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return Source(folder, "test", "1", "mit")


@pytest.mark.parametrize(
    ("kind", "task", "dimensions"),
    [
        ("text", "embed", 24),
        ("image", "embed-image", 24),
        ("plain_text", "embed", 32),
        ("plain_image", "embed-image", 32),
    ],
)
def test_one_tower_of_clip_is_exported_with_or_without_its_projection(
    kind: str, task: TaskName, dimensions: int, source_of: Sources, tmp_path: Path
) -> None:
    source = open_source(str(source_of(f"images:clip_tower:{kind}")))
    manifest = export_package(ExportRequest(source=source, task=task, name="tower", output=tmp_path)).manifest

    assert isinstance(manifest.task, EmbedTask | EmbedImageTask)
    assert (manifest.task.embed.pooling, manifest.task.embed.dimensions) == ("none", dimensions)
    assert manifest.verified["relative_diff"] <= 1e-5


@pytest.mark.parametrize(
    ("build", "task", "missing"),
    [
        ("images:vit:embed-image", "classify-image", "classifier"),
        ("encoders:text_encoder:bert:embed", "classify", "classifier"),
        ("encoders:text_encoder:roberta:classify", "fill-mask", "lm_head"),
    ],
)
def test_missing_weights_are_refused_and_not_initialized_at_random(
    build: str, task: TaskName, missing: str, source_of: Sources, tmp_path: Path
) -> None:
    request = ExportRequest(source=open_source(str(source_of(build))), task=task, name="headless", output=tmp_path)

    with pytest.raises(ExportError, match=f"no weights for .*{missing}"):
        export_package(request)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (CLIP | {"do_center_crop": False}, "keep their aspect ratio"),
        (CLIP | {"do_resize": False}, "does not resize"),
        (CLIP | {"size": {"shortest_edge": 24}}, "can't pad"),
        (CLIP | {"crop_size": {"height": 16, "width": 32}}, "the model takes 32"),
        (CLIP | {"size": {"longest_edge": 36}}, "can't load its image processor|resized to"),
        (VIT | {"do_flip_channels": True}, "do_flip_channels"),
        (VIT | {"size": {"height": 48, "width": 32}}, "the model takes 32"),
        ({"image_processor_type": "ViltImageProcessor"}, "do_pad"),
        ({"image_processor_type": "NoSuchImageProcessor"}, "can't load its image processor"),
    ],
)
def test_preprocessing_that_a_package_can_not_express_is_refused(
    settings: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match=reason):
        image_table(source_with(tmp_path, settings), SQUARE)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (CLIP | {"size": 36, "crop_size": 32}, {"resize": [36], "crop": [32, 32], "resample": "bicubic"}),
        (VIT | {"size": 32, "resample": 1}, {"resize": [32, 32], "resample": "lanczos"}),
        (VIT | {"do_normalize": False}, {"mean": [0.0] * 3, "std": [1.0] * 3}),
        (VIT | {"do_rescale": False}, {"rescale": 1.0}),
        (VIT | {"image_mean": [0.1, 0.2, 0.3]}, {"mean": [0.1, 0.2, 0.3], "rescale": 1 / 255}),
    ],
)
def test_the_image_table_gives_the_same_pixels_as_transformers(
    settings: dict[str, Any], expected: dict[str, Any], tmp_path: Path
) -> None:
    source, found = source_with(tmp_path, settings), Comparison()
    facts = image_table(source, SQUARE)

    assert msgspec.structs.asdict(facts) | expected == msgspec.structs.asdict(facts)
    assert preprocess_both_ways(facts, source, found).shape == (4, 3, 32, 32)
    assert found.figures()["pixels_diff"] <= 1e-4  # type: ignore[operator]


@pytest.mark.parametrize(
    "wrong",
    [{"resample": "bicubic"}, {"mean": [0.5, 0.5, 0.51]}, {"rescale": 1 / 256}, {"resize": [33], "crop": [32, 32]}],
)
def test_an_image_table_with_other_pixels_is_found(wrong: dict[str, Any], tmp_path: Path) -> None:
    source = source_with(tmp_path, VIT)
    facts = msgspec.structs.replace(image_table(source, SQUARE), **wrong)

    with pytest.raises(ParityError, match="pixels"):
        preprocess_both_ways(facts, source, Comparison())


def test_an_image_is_cropped_in_the_center() -> None:
    pixels = np.zeros((2, 6, 3), np.uint8)
    pixels[:, 2:4] = 255
    facts = Image(resize=[2], crop=[2, 2], resample="nearest", mean=[0.0] * 3, std=[1.0] * 3)

    np.testing.assert_allclose(preprocess([Pictures.fromarray(pixels)], facts), 1.0)
