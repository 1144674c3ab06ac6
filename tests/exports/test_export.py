"""Packages of tiny random models of six architectures."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs

from contracts.model_package.package import load_package
from contracts.model_package.tasks import Classify, ClassifyTask, Embed, EmbedTask
from onnx_models.encoders.texts.served import ServedModel
from onnx_models.verification.longest_call import note_of
from tests.exports.fixtures import EXPORTS, Run
from tests.support.paths import ROOT
from tests.support.waiting import PROGRAM_S


@pytest.mark.parametrize("name", EXPORTS)
def test_an_exported_package_loads_and_records_its_parity(exported: Path, name: str) -> None:
    manifest = load_package(exported / name).manifest

    assert set(manifest.files) == {"model.onnx", "tokenizer.json"}
    assert {path.name for path in (exported / name).iterdir()} == {*manifest.files, "manifest.toml"}
    assert 0 < manifest.verified["relative_diff"] < 1e-4
    assert 0 < manifest.verified["answers_diff"] < 1e-4
    assert manifest.export["transformers"] == "4.57.6"
    assert manifest.revision.startswith("weights-sha256-")
    assert manifest.source == name


def test_the_manifest_says_what_the_longest_text_costs(exported: Path) -> None:
    manifest = load_package(exported / "modernbert_embed").manifest
    assert 0 <= int(manifest.export["longest_call_mb"]) < 64 and note_of(manifest) is None
    long = structs.replace(
        manifest, limits=structs.replace(manifest.limits, max_tokens=8192), export={"longest_call_mb": 4096}
    )
    assert (note_of(long) or "").startswith(
        "a text of 8192 tokens takes 4,096 MB in a worker beside the weights; where"
    )


def test_exports_leave_no_other_files(exported: Path) -> None:
    assert {path.name for path in exported.iterdir()} == set(EXPORTS)


@pytest.mark.parametrize(
    ("name", "expected", "max_tokens"),
    [
        ("bert_embed", EmbedTask(embed=Embed(pooling="mean", normalize=False, dimensions=32)), 48),
        ("roberta_embed", EmbedTask(embed=Embed(pooling="cls", dimensions=32)), 64),
        ("modernbert_embed", EmbedTask(embed=Embed(pooling="last_token", dimensions=32)), 96),
        ("bert_classify", ClassifyTask(classify=Classify(labels=["low", "middle", "high"])), 32),
        (
            "distilbert_classify",
            ClassifyTask(
                classify=Classify(labels=["LABEL_0", "LABEL_1", "LABEL_2", "LABEL_3"], function_to_apply="sigmoid")
            ),
            64,
        ),
        ("mpnet_classify", ClassifyTask(classify=Classify(labels=["LABEL_0"], function_to_apply="none")), 64),
    ],
)
def test_metadata_comes_from_the_source(
    exported: Path, name: str, expected: EmbedTask | ClassifyTask, max_tokens: int
) -> None:
    manifest = load_package(exported / name).manifest

    assert manifest.task == expected
    assert manifest.limits.max_tokens == max_tokens


def test_options_and_model_card_fill_the_rest(exported: Path) -> None:
    assert load_package(exported / "bert_embed").manifest.licence == "mit"
    assert load_package(exported / "modernbert_embed").manifest.licence == "apache-2.0"
    assert load_package(exported / "roberta_embed").manifest.licence == "unknown"
    assert load_package(exported / "bert_classify").manifest.description == "a test"


@pytest.mark.parametrize("name", EXPORTS)
def test_outputs_are_equal_alone_and_in_a_batch(exported: Path, name: str) -> None:
    served = ServedModel(load_package(exported / name))
    texts = ["a", "how do i reset my password", "the quick brown fox jumps over the lazy dog"]
    together = served.predict(texts)
    alone = np.concatenate([served.predict([text]) for text in texts])

    np.testing.assert_allclose(together, alone, atol=1e-5, rtol=0)
    assert np.abs(together[0] - together[2]).max() > 1e-3, "different texts must not look alike"


def test_texts_of_a_pair_are_distinguished(exported: Path) -> None:
    served = ServedModel(load_package(exported / "bert_classify"))
    row = served.tokenize(("a", "b"))
    as_one = row._replace(type_ids=[0] * len(row.ids))

    assert row.type_ids == [0, 0, 0, 1, 1]
    assert np.abs(served.run([row])[0]["logits"] - served.run([as_one])[0]["logits"]).max() > 1e-3


def test_truncation_and_padding_of_a_tokenizer_are_ignored(exported: Path) -> None:
    served = ServedModel(load_package(exported / "roberta_embed"))

    assert len(served.tokenize("a").ids) == 3
    assert len(served.tokenize("one two three four five six seven eight nine ten").ids) > 12


def test_the_command_line_of_the_readme_works(export_python: Path, sources: Path, tmp_path: Path) -> None:
    source = str(sources / "bert_classify")
    command = [export_python, "-m", "onnx_models", "export", source, "--task", "classify", "--name", "mine"]
    done = subprocess.run(
        [*command, "--output", tmp_path], cwd=ROOT, capture_output=True, text=True, timeout=PROGRAM_S, check=False
    )

    assert done.returncode == 0, done.stderr
    assert load_package(tmp_path / "mine").manifest.name == "mine"


def test_folders_may_be_relative(sources: Path, run: Run, tmp_path: Path) -> None:
    """The process of the export environment runs in the checkout's root, as users do."""
    source, output = (os.path.relpath(path, ROOT) for path in (sources / "bert_embed", tmp_path / "to"))
    (done,) = run([["export", source, "--task", "embed", "--name", "mine", "--output", output]])

    assert done.status == 0, done.stderr
    assert load_package(tmp_path / "to" / "mine").manifest.source == "bert_embed"
    assert "no worker takes it" not in done.stderr


def test_an_export_that_nobody_will_serve_says_so_first(sources: Path, run: Run, tmp_path: Path) -> None:
    command = ["export", str(sources / "bert_embed"), "--task", "fill-mask", "--name", "mine"]
    (done,) = run([[*command, "--output", str(tmp_path)]])

    assert done.stderr.startswith("note: no worker takes it yet: none has code for the task 'fill-mask'\n[1/2]")
