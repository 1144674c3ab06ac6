"""Read ``recipes.toml``: recommended models of the hub, each with the options that its export needs.

A recipe only fills in the command line. The export itself verifies that the model answers as torch does.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from contracts.model_package.table import PositiveInt
from contracts.model_package.tasks import Pooling
from contracts.task_names import parse_task
from onnx_models.errors import ExportError

RECIPES = Path(__file__).with_name("recipes.toml")
Text = Annotated[str, msgspec.Meta(min_length=1)]
Option = Literal["pooling", "normalize", "max_tokens"]


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One recommended model."""

    name: Annotated[str, msgspec.Meta(pattern=r"^(?!.*\.suspect$)[a-z0-9][a-z0-9._-]{0,63}$")]
    """Name of the recipe and of the package."""
    task: str
    """Canonical name; the file may have an alias."""
    model: Annotated[str, msgspec.Meta(pattern=r"^[\w.-]+/[\w.-]+$")]
    """Hub id: owner/name."""
    revision: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{7,40}$")]
    """Commit hash, abbreviated where the full one is not known."""
    licence: Text
    size_mb: PositiveInt
    """Weights in fp32, in MB (10^6 bytes)."""
    purpose: Text
    options: dict[Option, Pooling | PositiveInt | bool] = {}
    """Fields of `onnx_models.exporting.exporters.ExportRequest` that the source's own files do not state."""

    def __post_init__(self) -> None:
        """Replace an alias of the task; msgspec turns the ValueError into an error of validation."""
        msgspec.structs.force_setattr(self, "task", parse_task(self.task))


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    recipe: list[Recipe]


def read_recipes(path: Path = RECIPES) -> dict[str, Recipe]:
    """Return the recipes by name, in the order of the file.

    Raises:
        ExportError: the file is missing or not TOML, a recipe has missing or unknown fields, or two share a name.
    """
    try:
        recipes = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _File).recipe
    except (OSError, ValueError) as error:  # msgspec and tomllib raise subclasses of ValueError
        raise ExportError(f"{path}: can't be read as recipes: {error}") from error
    by_name = {recipe.name: recipe for recipe in recipes}
    if len(by_name) < len(recipes):
        raise ExportError(f"{path}: two recipes share a name; there are: {', '.join(r.name for r in recipes)}")
    return by_name
