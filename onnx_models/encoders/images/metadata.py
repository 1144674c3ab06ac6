"""Read the [image] table from a source: how images are preprocessed.

Workers have neither transformers nor torchvision, so a package states the parameters of each step, and a step that the
table can't express is an error of the export. `verify` preprocesses images both ways and compares the pixels.
"""

from typing import Any, get_args

from contracts.model_package.tasks import Image, Resample
from onnx_models.errors import ExportError, refusing
from onnx_models.exporting.optimum_exporter import LOCAL
from onnx_models.exporting.sources import Source

_STEPS = {"do_convert_rgb", "do_resize", "do_center_crop", "do_rescale", "do_normalize"}
_RESAMPLE: tuple[Resample, ...] = get_args(Resample)  # in the order of Pillow's numbers
_PATCH = 16  # pixels; for a model whose config states none


def load_processor(source: Source) -> Any:
    """Return transformers' image processor of a source.

    Raises:
        ExportError: there is none that transformers can load.
    """
    from transformers import AutoImageProcessor

    # The fast processors need torchvision, which the export environment does not have.
    with refusing(f"{source.name}: transformers can't load its image processor"):
        return AutoImageProcessor.from_pretrained(source.folder, use_fast=False, **LOCAL)


def image_table(source: Source, config: Any) -> Image:
    """Return the [image] table of a source.

    Args:
        source: transformers loads its ``preprocessor_config.json``, so older spellings are understood.
        config: of the image encoder; its ``image_size`` is checked.

    Raises:
        ExportError: the table can't express the preprocessing, or the model takes another size.
    """
    settings = load_processor(source).to_dict()
    steps = {name for name, value in settings.items() if name.startswith("do_") and value}
    if unknown := sorted(steps - _STEPS):
        raise ExportError(f"{source.name}: its image processor uses {', '.join(unknown)}; a package has no such step")
    if "do_resize" not in steps:
        raise ExportError(f"{source.name}: its image processor does not resize, but a graph takes one size only")
    mean, std = (settings["image_mean"], settings["image_std"]) if "do_normalize" in steps else ([0.0] * 3, [1.0] * 3)
    image = Image(
        resize=_lengths(settings["size"]),
        resample=_RESAMPLE[int(settings["resample"])],
        crop=_lengths(settings["crop_size"]) if "do_center_crop" in steps else None,
        rescale=float(settings["rescale_factor"]) if "do_rescale" in steps else 1.0,
        mean=[float(number) for number in mean],
        std=[float(number) for number in std],
    )
    _check_size(image, getattr(config, "image_size", None))
    return image


def size_of(image: Image) -> tuple[int, int]:
    """Return height and width of the graph's input."""
    height, width = image.crop or image.resize
    return height, width


def num_patches(image: Image, config: Any) -> int:
    """Return the tokens of an image, by which it counts in a batch: its patches and the class token."""
    patch = getattr(config, "patch_size", None) or _PATCH
    down, right = (patch, patch) if isinstance(patch, int) else patch
    height, width = size_of(image)
    return (height // down) * (width // right) + 1


def _lengths(size: dict[str, int]) -> list[int]:
    if set(size) == {"shortest_edge"}:
        return [int(size["shortest_edge"])]
    if set(size) == {"height", "width"}:
        return [int(size["height"]), int(size["width"])]
    raise ExportError(f"images are resized to {size}; a package supports shortest_edge, or height and width")


def _check_size(image: Image, expected: int | list[int] | None) -> None:
    """Raise ExportError unless every image is brought to the size that the model takes."""
    if len(image.crop or image.resize) != 2:
        raise ExportError("images keep their aspect ratio and are not cropped, but a graph takes one size only")
    if image.crop and min(image.resize) < max(image.crop):
        raise ExportError(f"images are cropped to {image.crop} from {image.resize}; a package can't pad them")
    if expected and size_of(image) != (tuple(expected) if isinstance(expected, list | tuple) else (expected, expected)):
        raise ExportError(f"images are resized to {list(size_of(image))}, but the model takes {expected}")
