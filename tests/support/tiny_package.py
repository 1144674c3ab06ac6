"""Model packages of a few kilobytes, made in milliseconds without a training library or the `onnx` package.

The graph of an embedder only looks up one vector for each token, so a test can compute every expected answer. The
logits of a classifier are the mean of its tokens' vectors. The tokens are single lower-case words.
"""

import json
import tempfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.onnx_bytes import FLOAT, INT64, attribute, float_tensor, int64_tensor, model, node, value_info

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *(f"w{number}" for number in range(96))]
MAX_TOKENS = 64


def token_vectors(size: int, seed: int = 7) -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
    """Return the vectors that the graphs look up: float32 [words, size]."""
    return np.random.default_rng(seed).standard_normal((len(WORDS), size)).astype(np.float32)


def graph_of(task: str, size: int, table: bytes | None = None) -> bytes:
    """Return the graph of a tiny embedder or classifier; ``table`` replaces the tensor ``table`` of its vectors."""
    table = table or float_tensor("table", token_vectors(size))
    ids = value_info("input_ids", INT64, ["rows", "tokens"])
    if task == "embed":
        output = value_info("last_hidden_state", FLOAT, ["rows", "tokens", size])
        return model([node("Gather", ["table", "input_ids"], "last_hidden_state")], [table], [ids], [output])
    mask = value_info("attention_mask", INT64, ["rows", "tokens"])
    no_dims = attribute("keepdims", 3, 0, 2)
    nodes = [
        node("Gather", ["table", "input_ids"], "vectors"),
        node("Cast", ["attention_mask"], "weights", attribute("to", 3, FLOAT, 2)),
        node("Unsqueeze", ["weights", "axis"], "column"),
        node("Mul", ["vectors", "column"], "kept"),
        node("ReduceSum", ["kept", "middle"], "sum", no_dims),
        node("ReduceSum", ["column", "middle"], "count", no_dims),
        node("Div", ["sum", "count"], "logits"),
    ]
    axes = [int64_tensor("axis", [2]), int64_tensor("middle", [1])]
    return model(nodes, [table, *axes], [ids, mask], [value_info("logits", FLOAT, ["rows", size])])


def tokenizer_json(**changes: object) -> str:
    """Return a tokenizer of whole words with BERT's special tokens; ``changes`` replace parts of the file."""
    special = [
        {"id": index, "content": WORDS[index], "single_word": False, "lstrip": False, "rstrip": False,
         "normalized": False, "special": True}
        for index in range(4)
    ]  # fmt: skip

    def piece(kind: str, name: str, type_id: int) -> dict[str, object]:
        return {kind: {"id": name, "type_id": type_id}}

    single = [piece("SpecialToken", "[CLS]", 0), piece("Sequence", "A", 0), piece("SpecialToken", "[SEP]", 0)]
    pair = [*single, piece("Sequence", "B", 1), piece("SpecialToken", "[SEP]", 1)]
    ids = {name: {"id": name, "ids": [WORDS.index(name)], "tokens": [name]} for name in ("[CLS]", "[SEP]")}
    parts: dict[str, object] = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": special,
        "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": {"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": ids},
        "decoder": None,
        "model": {
            "type": "WordLevel",
            "vocab": {word: index for index, word in enumerate(WORDS)},
            "unk_token": "[UNK]",
        },
    }
    return json.dumps(parts | changes)


def write_package(
    folder: Path,
    *,
    task: str = "embed",
    size: int = 8,
    pooling: str = "mean",
    normalize: bool = True,
    labels: list[str] | None = None,
    function: str = "softmax",
    max_tokens: int = MAX_TOKENS,
    graph: bytes | None = None,
    tokenizer: str | None = None,
    more_files: Mapping[str, bytes] | None = None,
    **head: Any,
) -> Path:
    """Write a package named like its folder and return the folder; ``head`` replaces first lines of the manifest."""
    folder.mkdir(parents=True)
    labels = labels or ["low", "middle", "high"]
    size = len(labels) if task == "classify" else size
    files = {"model.onnx": graph or graph_of(task, size), "tokenizer.json": (tokenizer or tokenizer_json()).encode()}
    files |= more_files or {}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    head = {
        "name": folder.name,
        "family": "encoder",
        "task": task,
        "graph": "text-encoder",
        "source": "tests",
        "revision": "1",
        "licence": "mit",
    } | head
    lines = [f"{name} = {json.dumps(value)}" for name, value in head.items()]
    lines += ["[files]", *(f'"{name}" = "{sha256(content).hexdigest()}"' for name, content in files.items())]
    lines += ["[limits]", f"max_tokens = {max_tokens}"]
    if task == "embed":
        lines += ["[embed]", f'pooling = "{pooling}"', f"normalize = {json.dumps(normalize)}", f"dimensions = {size}"]
    elif task == "classify":
        lines += ["[classify]", f"labels = {json.dumps(labels)}", f'function_to_apply = "{function}"']
    (folder / "manifest.toml").write_text("\n".join(lines) + "\n")
    return folder


def vectors_graph(seed: int, size: int = 8) -> bytes:
    """Return the graph of an embedder with other weights for each seed."""
    return graph_of("embed", size, float_tensor("table", token_vectors(size, seed)))


def replace_package(folder: Path, **changes: Any) -> None:
    """Replace a package by another one as an export does, which renames complete folders."""
    with tempfile.TemporaryDirectory(prefix=".replace-", dir=folder.parent) as scratch:
        new = write_package(Path(scratch) / "new" / folder.name, **changes)
        folder.rename(Path(scratch) / "old")
        new.rename(folder)
