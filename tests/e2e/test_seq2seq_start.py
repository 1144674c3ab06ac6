"""`python -m workers.seq2seq` with an unusable configuration: an exit status, and one line that says why."""

from pathlib import Path

import pytest

from tests.e2e.workers import assert_refused, run_worker_command
from tests.support.versions import altered

MODEL = "starter-translate"
GENERATION = r"(?s)\[generation\].*?(?=\n\[)"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"tokenizer": b"{}"}, "tokenizer.json: not a tokenizer: "),
        ({"encoder_model": b"not a graph"}, "encoder_model.onnx: not an ONNX graph that can be served"),
        ({"decoder_model": b"\x3a"}, "decoder_model.onnx: not an ONNX graph that can be served"),
    ],
)
def test_unusable_files_are_named(tmp_path: Path, files: dict[str, bytes], expected: str) -> None:
    folder = altered(MODEL, tmp_path, **files)
    assert_refused(run_worker_command("seq2seq", TRIPTYCH_MODELS_DIR=str(folder)), expected)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            GENERATION,
            "[generation]\nrepetition_penalty = 0.0\n",
            "[generation] repetition_penalty has the invalid value 0.0",
        ),
        (
            GENERATION,
            "[generation]\nnum_beams = 99\n",
            "its default is a search with 99 beams, and the cache has room for 16 sequences",
        ),
        (r"vocabulary = \d+", "vocabulary = 7", "decoder.vocabulary is 7, but the graph's logits are"),
        (
            r'(?s)encoder-decoder-slots(".*?)attention = "group_query"\ncross_cache = true\n',
            r"encoder-decoder\1",
            "[files] does not list decoder_model_merged.onnx",
        ),
        (GENERATION, "", "a table [generation] is needed"),
    ],
)
def test_invalid_manifests_are_named(tmp_path: Path, old: str, new: str, expected: str) -> None:
    folder = altered(MODEL, tmp_path, old, new)
    assert_refused(run_worker_command("seq2seq", TRIPTYCH_MODELS_DIR=str(folder)), expected)
