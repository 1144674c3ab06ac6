"""`python -m workers.decoder` with an unusable configuration: an exit status, and one line that says why."""

from pathlib import Path

import pytest

from tests.e2e.workers import assert_refused, run_worker_command
from tests.support.versions import altered

MODEL = "starter-generate"
GENERATION = r"(?s)\[generation\].*?(?=\n\[)"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"chat_template": b"{% for %}"}, "chat_template.jinja: TemplateSyntaxError: "),
        ({"chat_template": b"{{ " + b"-" * 200_000 + b"1 }}"}, "chat_template.jinja: "),
        ({"chat_template": b"\xff"}, "chat_template.jinja: 'utf-8' codec can't decode"),
        ({"tokenizer": b"{}"}, "tokenizer.json: not a tokenizer: "),
        ({"model": b"not a graph"}, "not an ONNX graph that can be served"),
    ],
)
def test_unusable_files_are_named(tmp_path: Path, files: dict[str, bytes], expected: str) -> None:
    assert_refused(run_worker_command("decoder", TRIPTYCH_MODELS_DIR=str(altered(MODEL, tmp_path, **files))), expected)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (GENERATION, "[generation]\ntemperature = inf\n", "[generation] temperature has the invalid value inf"),
        (
            GENERATION,
            "[generation]\nsuppress_tokens = [999999]\n",
            "[generation] suppress_tokens has the invalid value [999999]",
        ),
        (r"vocabulary = \d+", "vocabulary = 7", "decoder.vocabulary is 7, but the graph's logits are"),
        (
            r'(?s)decoder-slots(.*?)attention = "\w+"\n',
            r"decoder-concat\1",
            "not the graph of a decoder-concat for generate",
        ),
        (GENERATION, "", "a table [generation] is needed"),
    ],
)
def test_invalid_manifests_are_named(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert_refused(run_worker_command("decoder", TRIPTYCH_MODELS_DIR=str(altered(MODEL, tmp_path, old, new))), expected)
