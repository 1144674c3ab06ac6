"""A folder is a model package if its manifest is valid, and every listed file is what was exported."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from contracts.model_package.files import sha256_of
from contracts.model_package.manifest_file import MAX_MANIFEST_BYTES
from contracts.model_package.package import (
    PackageError,
    find_packages,
    load_named_package,
    load_package,
    read_manifest,
)
from contracts.model_package.tasks import Embed, EmbedTask
from contracts.model_package.versions import manifest_digest, snapshot_of
from tests.support.onnx_bytes import external_tensor, field, graph, model_of
from tests.support.tiny_package import graph_of
from tests.support.waiting import wait_until

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
GRAPH = graph_of("embed", 8)


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


def write_later(path: Path, content: bytes) -> None:
    """Write a file so that its time changes: the clock of many file systems goes on in steps of 4 or 10 ms."""
    before = path.stat().st_ctime_ns

    def written() -> bool:
        path.write_bytes(content)
        return path.stat().st_ctime_ns != before

    wait_until(written, "the time of the file stands still")


def test_a_valid_package_is_loaded(package: Path) -> None:
    loaded = load_package(package)
    assert loaded.manifest.name == "mini"
    assert loaded.manifest.task == EmbedTask(embed=Embed(pooling="mean", normalize=True, dimensions=8))
    assert loaded.file("model.onnx").read_bytes() == GRAPH
    assert find_packages(package.parent) == {"mini": package}


def test_a_piece_model_that_is_not_listed_is_refused(package: Path) -> None:
    """Workers ignore other unlisted files, but would read this one."""
    (package / "pieces.json").write_text("{}")
    with pytest.raises(PackageError, match=r"pieces\.json: not listed in the manifest"):
        load_package(package)


def test_a_file_that_is_not_listed_is_not_part_of_the_package(package: Path) -> None:
    (package / "extra.json").write_text("{}")
    with pytest.raises(PackageError, match=r"does not list extra\.json"):
        load_package(package).file("extra.json")


def test_a_package_without_the_graph_of_its_kind_is_refused(package: Path) -> None:
    (package / "model.onnx").rename(package / "encoder.onnx")
    edit(package, '"model.onnx"', '"encoder.onnx"')
    with pytest.raises(PackageError, match=r"\[files\] does not list model\.onnx"):
        load_package(package)


def test_a_served_package_has_the_name_of_its_folder(package: Path) -> None:
    assert load_named_package(package).manifest.name == "mini"
    other = package.rename(package.parent / "other")
    assert load_package(other).manifest.name == "mini"
    with pytest.raises(PackageError, match="the manifest's name is 'mini', not that of the folder"):
        load_named_package(other)


def test_a_changed_file_is_refused(package: Path) -> None:
    (package / "model.onnx").write_bytes(b"another graph")
    with pytest.raises(PackageError, match=r"model\.onnx: SHA-256 differs"):
        load_package(package)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[embed]\n", "[classify]\n", r"\[embed\] is needed"),
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
def test_an_invalid_manifest_is_refused(package: Path, old: str, new: str, message: str) -> None:
    edit(package, old, new)
    with pytest.raises(PackageError, match=message) as caught:
        read_manifest(package)
    assert "manifest.toml" in str(caught.value)


def test_a_manifest_that_is_not_utf8_is_refused(package: Path) -> None:
    (package / "manifest.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(PackageError):
        read_manifest(package)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("#" * (MAX_MANIFEST_BYTES + 1), "larger than 1048576 bytes"),
        ("a." * 500_000 + "b = 1", "a key of more than 64 parts"),
        ("[" + '"a" . ' * 65 + "b]", "a key of more than 64 parts"),
        ("x = {" + "'a'.\t" * 70 + "b = 1}", "a key of more than 64 parts"),
        ("x = " + "[" * 500_000, "too deep"),
        ("x = " + "{a = " * 100_000, "too deep"),
        ("x = " + "9" * 5000, "digits"),
        ('name = "a"\nname = "b"', "overwrite"),
    ],
    ids=["huge", "many parts", "quoted parts", "parts inside", "deep list", "deep table", "long number", "twice"],
)
def test_a_hostile_manifest_is_refused_at_once(package: Path, text: str, message: str) -> None:
    """One key of a megabyte of dots would take the TOML parser more memory than the machine has."""
    (package / "manifest.toml").write_text(text)
    with pytest.raises(PackageError, match=message) as caught:
        load_package(package)
    assert len(str(caught.value)) < 500


def test_dots_in_values_are_allowed(package: Path) -> None:
    edit(package, 'source = "tests"', f'source = "tests{"." * 500} {"a. b. " * 20}"')
    assert read_manifest(package).source.endswith("a. b. ")


def test_a_file_listed_twice_is_refused(package: Path) -> None:
    edit(package, "[files]", f'[files]\n"model.onnx" = "{"0" * 64}"')
    with pytest.raises(PackageError, match="overwrite"):
        load_package(package)


@pytest.mark.parametrize("link", [os.symlink, os.mkfifo, os.mkdir], ids=["link", "pipe", "folder"])
def test_a_manifest_must_be_a_regular_file(package: Path, link: Callable[..., None]) -> None:
    manifest = package / "manifest.toml"
    manifest.rename(package.parent / "elsewhere")
    link(package.parent / "elsewhere", manifest) if link is os.symlink else link(manifest)
    for read in (load_package, read_manifest, manifest_digest):
        with pytest.raises(PackageError, match="not a regular file"):
            read(package)


def test_the_folder_may_be_a_link(package: Path) -> None:
    """An operator can then switch to a new version with one rename."""
    link = package.parent / "current"
    link.symlink_to(package)
    assert load_package(link).file("model.onnx").read_bytes() == GRAPH


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="not found"):
        load_package(tmp_path)


def test_a_missing_file_is_refused(package: Path) -> None:
    (package / "model.onnx").unlink()
    with pytest.raises(PackageError, match="not a regular file"):
        load_package(package)


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/hostname", "sub/model.onnx", "..", ".", "./model.onnx", "a\\u0000b"]
)
def test_a_name_outside_of_the_folder_is_refused_before_it_is_read(package: Path, name: str) -> None:
    (package / "sub").mkdir()
    (package / "sub" / "model.onnx").write_bytes(GRAPH)
    (package.parent / "secret").write_bytes(GRAPH)
    edit(package, '"model.onnx" =', f'"{name}" =')
    with pytest.raises(PackageError, match="not a regular file"):
        load_package(package)


@pytest.mark.parametrize("link", [os.symlink, os.mkfifo], ids=["link", "pipe"])
def test_a_link_or_a_pipe_is_refused_before_it_is_read(package: Path, link: Callable[..., None]) -> None:
    graph = package / "model.onnx"
    target = package.parent / "elsewhere"
    graph.rename(target)
    link(target, graph) if link is os.symlink else link(graph)
    with pytest.raises(PackageError, match="not a regular file"):
        load_package(package)


def with_graph(package: Path, data: bytes, more: str = "") -> Path:
    """Replace the graph and its SHA-256 in the manifest."""
    before = sha256_of(package / "model.onnx")
    (package / "model.onnx").write_bytes(data)
    edit(package, f'"{before}"', f'"{sha256_of(package / "model.onnx")}"\n{more}')
    return package


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (GRAPH[:-9], "not an ONNX graph that can be served|which opset"),
        (b"<html>", "not an ONNX graph that can be served"),
        (b"", "its IR version is 0"),
        (model_of(b"", ir=14), "its IR version is 14; this runtime reads 3 to 13"),
        (model_of(b"", opsets={"": 27}), "its opset of ONNX is 27; this runtime reads 7 to 26"),
        (model_of(graph([], [external_tensor("w", [1], "w.bin")], [], [])), "weights in 'w.bin', which the manifest's"),
        (model_of(graph([], [external_tensor("w", [1], "../w.bin")], [], [])), "weights in '../w.bin'"),
    ],
    ids=["cut off", "html", "empty", "IR version", "opset", "file that is not listed", "file outside"],
)
def test_a_graph_that_no_worker_could_serve_is_refused_before_it_is_loaded(
    package: Path, data: bytes, message: str
) -> None:
    (package / "w.bin").write_bytes(b"weights")
    with pytest.raises(PackageError, match=message) as caught:
        load_package(with_graph(package, data))
    assert "model.onnx" in str(caught.value)


@pytest.mark.parametrize("kind", ["plain", "changed", "link", "pipe"])
def test_external_weights_are_checked_like_the_graph(package: Path, kind: str) -> None:
    weights = package / "w.bin"
    weights.write_bytes(b"weights")
    outside = model_of(graph([], [external_tensor("w", [1], "w.bin")], [], []))
    with_graph(package, outside, f'"w.bin" = "{sha256_of(weights)}"')
    if kind == "plain":
        assert load_package(package).file("w.bin") == weights
        return
    weights.rename(package.parent / "elsewhere")
    {"changed": lambda: weights.write_bytes(b"x"), "pipe": lambda: os.mkfifo(weights)}.get(
        kind, lambda: weights.symlink_to(package.parent / "elsewhere")
    )()
    with pytest.raises(PackageError, match=r"w\.bin: (not a regular file|SHA-256 differs)"):
        load_package(package)


def test_a_function_must_not_import_unknown_operators(package: Path) -> None:
    function = field(9, field(1, "org.odd") + field(2, 1))
    with pytest.raises(PackageError, match=r"it imports operators of 'org\.odd'"):
        load_package(with_graph(package, model_of(b"", more=field(25, function))))


def test_a_file_that_is_replaced_while_the_package_is_loaded_is_noticed(package: Path) -> None:
    loaded = load_package(package)
    loaded.check_unchanged()
    (package / "notes.txt").write_text("not part of the package")
    loaded.check_unchanged()
    # The same bytes, but comparing them would mean to hash the file again.
    write_later(package / "model.onnx", GRAPH)
    with pytest.raises(PackageError, match="changed while it was loaded"):
        loaded.check_unchanged()


def test_versions_differ_in_their_manifest(package: Path) -> None:
    before, snapshot = manifest_digest(package), snapshot_of(package)
    assert load_package(package).digest == before
    manifest = package / "manifest.toml"
    write_later(manifest, manifest.read_bytes().replace(b'revision = "1"', b'revision = "2"'))
    assert manifest_digest(package) != before and snapshot_of(package) != snapshot
    assert {name for name, *_ in snapshot_of(package)} == {"manifest.toml", "model.onnx"}
    assert snapshot_of(package / "nowhere") == ()
