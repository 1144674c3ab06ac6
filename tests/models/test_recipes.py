"""The recommended models are complete, well-formed and part of the wheel; needs no torch."""

import tomllib
from collections import Counter
from pathlib import Path
from typing import get_type_hints

import msgspec
import pytest

from onnx_models.errors import ExportError
from onnx_models.exporting.exporters import TASKS, ExportRequest
from onnx_models.recipes import RECIPES, Recipe, read_recipes
from tests.support.paths import ROOT

ALL = read_recipes()
OURS_ALONE = {"denoise-image"}
"""Tasks without a model in transformers."""
GOOD = """
[[recipe]]
name = "mine"
task = "embed"
model = "owner/mine"
revision = "0123abc"
licence = "mit"
size_mb = 1
purpose = "a test"
"""


def test_every_task_has_at_least_two_recipes() -> None:
    counts = Counter(recipe.task for recipe in ALL.values())

    assert set(counts) == set(TASKS) - OURS_ALONE
    assert min(counts.values()) >= 2


def test_recipes_are_in_the_order_of_the_tasks() -> None:
    places = [TASKS.index(recipe.task) for recipe in ALL.values()]

    assert places == sorted(places)


def test_each_model_has_one_recipe_for_a_task_and_one_revision() -> None:
    assert len({(recipe.model, recipe.task) for recipe in ALL.values()}) == len(ALL)
    assert len({(recipe.model, recipe.revision, recipe.licence) for recipe in ALL.values()}) == len(
        {recipe.model for recipe in ALL.values()}
    )


@pytest.mark.parametrize("recipe", ALL.values(), ids=list(ALL))
def test_options_are_fields_of_an_export(recipe: Recipe) -> None:
    kinds = get_type_hints(ExportRequest, include_extras=True)

    for name, value in recipe.options.items():
        assert msgspec.convert(value, kinds[name]) == value


@pytest.mark.parametrize("recipe", ALL.values(), ids=list(ALL))
def test_texts_fit_a_line(recipe: Recipe) -> None:
    assert recipe.licence == recipe.licence.strip().lower()
    assert recipe.purpose == recipe.purpose.strip()
    assert len(recipe.purpose) <= 110
    assert ("-nc-" in recipe.licence) == ("not for commercial use" in recipe.purpose)


def test_a_short_revision_is_explained() -> None:
    """A short hash can become ambiguous, and the message says what to do then."""
    text = RECIPES.read_text(encoding="utf-8")
    for recipe in ALL.values():
        if len(recipe.revision) < 40:
            before = text[: text.index(f'revision = "{recipe.revision}"')].rsplit("[[recipe]]", 1)[1]
            assert "short hash" in before
            assert "--revision" in before


def test_the_file_goes_into_the_wheel() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

    assert RECIPES.name in project["tool"]["setuptools"]["package-data"]["onnx_models"]
    assert RECIPES.parent == ROOT / "onnx_models"


def test_omitted_options_are_empty(tmp_path: Path) -> None:
    (tmp_path / "recipes.toml").write_text(GOOD)
    (recipe,) = read_recipes(tmp_path / "recipes.toml").values()

    assert (recipe.name, recipe.options) == ("mine", {})


def test_an_alias_of_a_task_becomes_its_name(tmp_path: Path) -> None:
    (tmp_path / "recipes.toml").write_text(GOOD.replace('"embed"', '"feature-extraction"'))
    (recipe,) = read_recipes(tmp_path / "recipes.toml").values()

    assert recipe.task == "embed"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (GOOD + GOOD, "two recipes share a name; there are: mine, mine"),
        (GOOD.replace('"embed"', '"embedd"'), "unknown task 'embedd'; the tasks are embed, classify, "),
        (GOOD.replace('"0123abc"', '"main"'), "revision"),
        (GOOD.replace('"0123abc"', '"012345"'), "revision"),
        (GOOD.replace('"mine"', '"Mine"'), "name"),
        (GOOD.replace('"owner/mine"', '"mine"'), "model"),
        (GOOD.replace('"mit"', '""'), "licence"),
        (GOOD.replace('"a test"', '""'), "purpose"),
        (GOOD.replace("size_mb = 1", "size_mb = 0"), "size_mb"),
        (GOOD.replace("size_mb = 1", ""), "size_mb"),
        (GOOD + 'author = "me"', "author"),
        (GOOD + 'options = { poling = "mean" }', "poling"),
        (GOOD + 'options = { pooling = "mena" }', "options"),
        (GOOD + "options = { max_tokens = 0 }", "options"),
        ("[[recipe]", "can't be read"),
        ("", "recipe"),
    ],
)
def test_a_wrong_file_is_refused_with_a_sentence(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "recipes.toml").write_text(text)
    with pytest.raises(ExportError, match=told) as caught:
        read_recipes(tmp_path / "recipes.toml")

    assert str(tmp_path / "recipes.toml") in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="can't be read as recipes"):
        read_recipes(tmp_path / "none.toml")
