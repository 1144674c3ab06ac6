"""Read from a source how it prepares pictures: the [image] table.

A worker has neither transformers nor torchvision, so a package states each step in numbers, and an export stops at a
step that the table has no words for. `verify` prepares pictures both ways.
"""

from typing import Any, get_args

from contracts.model_package.tasks import Image, Resample
from onnx_models.errors import ExportError, refusing
from onnx_models.exporting.optimum_exporter import LOCAL
from onnx_models.exporting.sources import Source

_STEPS = {"do_convert_rgb", "do_resize", "do_center_crop", "do_rescale", "do_normalize"}
_RESAMPLE: tuple[Resample, ...] = get_args(Resample)  # in the order of Pillow's numbers
_PATCH = 16  # of a model that states no other


def load_processor(source: Source) -> Any:
    """Return transformers' image processor of a source, the one that needs no torchvision.

    Raises:
        ExportError: there is none that transformers can load.
    """
    from transformers import AutoImageProcessor

    with refusing(f"{source.name}: transformers can't load its image processor"):
        return AutoImageProcessor.from_pretrained(source.folder, use_fast=False, **LOCAL)


def image_table(source: Source, config: Any) -> Image:
    """Return the [image] table of a source.

    Args:
        source: its ``preprocessor_config.json`` is read as transformers reads it, so older spellings are understood.
        config: of the model that takes the pictures; ``image_size`` is looked at.

    Raises:
        ExportError: the table can't state how pictures are prepared, or the model takes another size.
    """
    settings = load_processor(source).to_dict()
    steps = {name for name, value in settings.items() if name.startswith("do_") and value}
    if unknown := sorted(steps - _STEPS):
        raise ExportError(f"{source.name}: its pictures go through {', '.join(unknown)}; a package has no such step")
    if "do_resize" not in steps:
        raise ExportError(f"{source.name}: its pictures keep their size, but a graph takes one size only")
    mean, std = (settings["image_mean"], settings["image_std"]) if "do_normalize" in steps else ([0.0] * 3, [1.0] * 3)
    facts = Image(
        resize=_lengths(settings["size"]),
        resample=_RESAMPLE[int(settings["resample"])],
        crop=_lengths(settings["crop_size"]) if "do_center_crop" in steps else None,
        rescale=float(settings["rescale_factor"]) if "do_rescale" in steps else 1.0,
        mean=[float(number) for number in mean],
        std=[float(number) for number in std],
    )
    _check_size(facts, getattr(config, "image_size", None))
    return facts


def size_of(facts: Image) -> tuple[int, int]:
    """Return height and width of what the graph takes."""
    height, width = facts.crop or facts.resize
    return height, width


def num_patches(facts: Image, config: Any) -> int:
    """Return what a picture weighs in a batch, as a text does by its tokens: its patches and the class token."""
    patch = getattr(config, "patch_size", None) or _PATCH
    down, right = (patch, patch) if isinstance(patch, int) else patch
    height, width = size_of(facts)
    return (height // down) * (width // right) + 1


def _lengths(size: dict[str, int]) -> list[int]:
    if set(size) == {"shortest_edge"}:
        return [int(size["shortest_edge"])]
    if set(size) == {"height", "width"}:
        return [int(size["height"]), int(size["width"])]
    raise ExportError(f"pictures are brought to {size}; a package knows shortest_edge, or height and width")


def _check_size(facts: Image, taken: int | list[int] | None) -> None:
    """Raise ExportError unless every picture ends with the size that the model takes."""
    if len(facts.crop or facts.resize) != 2:
        raise ExportError("pictures keep their proportions and are not cropped, but a graph takes one size only")
    if facts.crop and min(facts.resize) < max(facts.crop):
        raise ExportError(f"pictures are cropped to {facts.crop} from {facts.resize}; a package can't pad them")
    if taken and size_of(facts) != (tuple(taken) if isinstance(taken, list | tuple) else (taken, taken)):
        raise ExportError(f"pictures are brought to {list(size_of(facts))}, but the model takes {taken}")
