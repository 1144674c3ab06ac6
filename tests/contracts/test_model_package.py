"""A folder is a model package when its manifest is, and every listed file is what was exported."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from workers.runtime.model_package import PackageError, find_packages, load_package, read_manifest, sha256_of

MANIFEST = """\
name = "mini"
family = "encoder"
task = "embed"
graph = "text-encoder"
source = "tests"
revision = "1"
licence = "Apache-2.0"

[files]
"model.onnx" = "{digest}"

[limits]
max_tokens = 128

[embed]
pooling = "mean"
dimensions = 8
"""
GRAPH = b"a graph"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package that can be loaded."""
    folder = tmp_path / "mini"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(GRAPH)
    (folder / "manifest.toml").write_text(MANIFEST.format(digest=sha256_of(folder / "model.onnx")))
    return folder


def edit(package: Path, old: str, new: str) -> None:
    """Change the manifest's text."""
    path = package / "manifest.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_sound_package_is_loaded(package: Path) -> None:
    loaded = load_package(package)
    assert loaded.manifest.name == "mini"
    assert loaded.manifest.embed is not None and loaded.manifest.embed.normalize is True
    assert loaded.file("model.onnx").read_bytes() == GRAPH
    assert find_packages(package.parent) == {"mini": package}


def test_a_file_that_is_not_listed_is_not_part_of_the_package(package: Path) -> None:
    (package / "extra.json").write_text("{}")
    with pytest.raises(PackageError, match=r"does not list extra\.json"):
        load_package(package).file("extra.json")


def test_a_changed_file_is_refused(package: Path) -> None:
    (package / "model.onnx").write_bytes(b"another graph")
    with pytest.raises(PackageError, match=r"model\.onnx: SHA-256 differs"):
        load_package(package)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[embed]\n", "[classify]\n", "unknown field"),
        ('\n[embed]\npooling = "mean"\ndimensions = 8\n', "", r"\[embed\] is needed"),
        ("max_tokens = 128", "max_token = 128", "unknown field|required field"),
        ("max_tokens = 128", "max_tokens = 0", "max_tokens|limits"),
        ("max_tokens = 128", 'max_tokens = "128"', "limits"),
        ('pooling = "mean"', 'pooling = "max"', "pooling"),
        ('name = "mini"', 'name = "../mini"', "name"),
        ('name = "mini"', 'name = "Mini%"', "name"),
        ('family = "encoder"', 'family = "encoder"\ncolour = "red"', "colour"),
        ('licence = "Apache-2.0"\n', "", "licence"),
        ("[limits]", "[limits", "line|Expected"),
    ],
)
def test_a_manifest_that_is_not_one_is_refused(package: Path, old: str, new: str, said: str) -> None:
    edit(package, old, new)
    with pytest.raises(PackageError, match=said) as caught:
        read_manifest(package)
    assert "manifest.toml" in str(caught.value)


def test_a_manifest_of_bytes_that_are_no_text_is_refused(package: Path) -> None:
    (package / "manifest.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(PackageError):
        read_manifest(package)


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="not found"):
        load_package(tmp_path)


def test_a_missing_file_is_refused(package: Path) -> None:
    (package / "model.onnx").unlink()
    with pytest.raises(PackageError, match="not a plain file"):
        load_package(package)


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/hostname", "sub/model.onnx", "..", ".", "./model.onnx", "a\\u0000b"]
)
def test_a_name_that_leads_out_of_the_folder_is_refused_before_it_is_read(package: Path, name: str) -> None:
    (package / "sub").mkdir()
    (package / "sub" / "model.onnx").write_bytes(GRAPH)
    (package.parent / "secret").write_bytes(GRAPH)
    edit(package, '"model.onnx" =', f'"{name}" =')
    with pytest.raises(PackageError, match="not a plain file"):
        load_package(package)


@pytest.mark.parametrize("link", [os.symlink, os.mkfifo], ids=["link", "pipe"])
def test_a_link_or_a_pipe_is_refused_before_it_is_read(package: Path, link: Callable[..., None]) -> None:
    graph = package / "model.onnx"
    target = package.parent / "elsewhere"
    graph.rename(target)
    link(target, graph) if link is os.symlink else link(graph)
    with pytest.raises(PackageError, match="not a plain file"):
        load_package(package)
