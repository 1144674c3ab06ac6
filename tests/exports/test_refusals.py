"""Errors of export and verify: a wrong source gives no package, and no files are left behind."""

import json
import shutil
from pathlib import Path

import pytest

from tests.exports.fixtures import Done, Run

REFUSED = {
    "pickle": (["pickled", "--task", "embed"], "no *.safetensors weights"),
    "parity": (["bert_embed", "--task", "embed", "--atol", "1e-12"], "ONNX and the reference differ by"),
    "pooling": (["roberta_embed", "--task", "embed"], "give --pooling"),
    "positions": (["bert_embed", "--task", "embed", "--max-tokens", "65"], "has positions for 64 tokens only"),
    "name": (["bert_embed", "--task", "embed", "--name", "Not A Name"], "name"),
    "path": (["bert_embed", "--task", "embed", "--name", "../outside"], "name"),
    "nothing": (["no/such/folder", "--task", "embed"], "neither a folder nor a hub id"),
    "package": (["package:no_such_package/model", "--task", "embed"], "no Python package"),
}


@pytest.fixture(scope="module")
def refusals(run: Run, sources: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Done], Path]:
    """The output of each refused command, and the folder that must be empty afterwards."""
    output = tmp_path_factory.mktemp("refused") / "output"
    commands = []
    for case, ((source, *options), _) in REFUSED.items():
        where = str(sources / source) if (sources / source).exists() else source
        name = [] if "--name" in options else ["--name", case]
        commands.append(["export", where, "--output", str(output), *options, *name])
    return dict(zip(REFUSED, run(commands), strict=True)), output


@pytest.mark.parametrize("case", REFUSED)
def test_a_refused_export_says_why(refusals: tuple[dict[str, Done], Path], case: str) -> None:
    done = refusals[0][case]

    assert done.status == 1
    assert "\nerror: " in f"\n{done.stderr}"
    assert REFUSED[case][1] in done.stderr
    assert "Traceback" not in done.stderr


def test_a_refused_export_leaves_nothing_behind(refusals: tuple[dict[str, Done], Path]) -> None:
    output = refusals[1]

    assert not output.exists() or list(output.iterdir()) == []
    assert not (output.parent / "outside").exists()


def test_a_tokenizer_that_costs_too_much_is_refused_before_it_is_used(sources: Path, run: Run, tmp_path: Path) -> None:
    source = shutil.copytree(sources / "bert_embed", tmp_path / "source")
    tokenizer = json.loads((source / "tokenizer.json").read_text())
    tokenizer["normalizer"] = {"type": "Replace", "pattern": {"Regex": "(a+)+$"}, "content": ""}
    (source / "tokenizer.json").write_text(json.dumps(tokenizer))
    (done,) = run([["export", str(source), "--task", "embed", "--name", "x", "--output", str(tmp_path / "to")]])

    assert done.status == 1
    assert "this tokenizer can't be served: the normalizer fails on a text of repeated 'a'" in done.stderr
    assert list((tmp_path / "to").iterdir()) == []


def test_an_existing_package_is_replaced_only_when_forced(
    sources: Path, exported: Path, run: Run, tmp_path: Path
) -> None:
    for name in ("kept", "replaced"):
        shutil.copytree(exported / "bert_embed", tmp_path / name)
        (tmp_path / name / "note.txt").write_text("of the package before")
    export = ["export", str(sources / "bert_embed"), "--task", "embed", "--output", str(tmp_path), "--name"]
    refused, failed, replaced = run(
        [
            [*export, "kept"],
            [*export, "kept", "--force", "--atol", "1e-12"],
            [*export, "replaced", "--force"],
        ]
    )

    assert (refused.status, failed.status, replaced.status) == (1, 1, 0)
    assert "--force replaces it" in refused.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"kept", "replaced"}
    assert (tmp_path / "kept" / "note.txt").exists()
    assert not (tmp_path / "replaced" / "note.txt").exists()


def test_verify_finds_other_weights_and_another_tokenizer(
    sources: Path, exported: Path, run: Run, tmp_path: Path
) -> None:
    cased = shutil.copytree(sources / "bert_embed", tmp_path / "cased") / "tokenizer_config.json"
    cased.write_text(json.dumps({**json.loads(cased.read_text()), "do_lower_case": False}))
    package = str(exported / "bert_embed")
    same, weights, tokenizer = run(
        [
            ["verify", package, "--reference", str(sources / "bert_embed")],
            ["verify", package, "--reference", str(sources / "bert_embed_other_weights")],
            ["verify", package, "--reference", str(cased.parent)],
        ]
    )

    assert (same.status, weights.status, tokenizer.status) == (0, 1, 1)
    assert "answers_diff" in same.stdout
    assert "ONNX and the reference differ" in weights.stderr
    assert "disagree about" in tokenizer.stderr
