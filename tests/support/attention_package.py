"""A tiny embedder with attention: its calls hold several numbers for each head and each pair of tokens of a row."""

from pathlib import Path

import numpy as np

from tests.support.onnx_bytes import FLOAT, INT64, attribute, field, float_tensor, int64_tensor, model, node, value_info
from tests.support.tiny_package import token_vectors, write_package

SIZE = 8


def write_attention_package(folder: Path, *, heads: int, max_tokens: int) -> Path:
    """Write a package whose rows may have ``max_tokens`` tokens, and which may batch as many; return the folder."""
    write_package(folder, graph=attention_graph(heads), size=SIZE, max_tokens=max_tokens)
    with (folder / "manifest.toml").open("a") as manifest:
        manifest.write(f"[batching]\nmax_batch_tokens = {max_tokens}\nmax_padding = 2.0\n")
    return folder


def write_attention_autoencoder(folder: Path, *, heads: int, max_tokens: int) -> Path:
    """Write a text autoencoder with the same attention; return the folder."""
    graph = attention_graph(heads, "logits")
    write_package(folder, task="denoise", family="seq2seq", graph=graph, max_tokens=max_tokens)
    manifest = folder / "manifest.toml"
    manifest.write_text(manifest.read_text().replace('"text-encoder"', '"text-autoencoder"'))
    return folder


def attention_graph(heads: int, output: str = "last_hidden_state") -> bytes:
    """Return a graph in which all tokens of a row attend to one another."""
    table = [float_tensor("table", token_vectors(SIZE))]
    table += [float_tensor(name, np.array([value], np.float32)) for name, value in (("one", 1.0), ("far", 1e9))]
    shapes = {"split": [0, 0, heads, SIZE // heads], "joined": [0, 0, SIZE], "axes": [1, 2]}
    nodes = [
        node("Gather", ["table", "input_ids"], "vectors"),
        node("Reshape", ["vectors", "split"], "heads"),
        node("Transpose", ["heads"], "queries", _perm(0, 2, 1, 3)),
        node("Transpose", ["heads"], "keys", _perm(0, 2, 3, 1)),
        node("Cast", ["attention_mask"], "mask", attribute("to", 3, FLOAT, 2)),
        node("Sub", ["mask", "one"], "hidden"),
        node("Mul", ["hidden", "far"], "distance"),
        node("Unsqueeze", ["distance", "axes"], "distances"),
        node("MatMul", ["queries", "keys"], "scores"),
        node("Add", ["scores", "distances"], "masked"),
        node("Softmax", ["masked"], "weights", attribute("axis", 3, 3, 2)),
        node("MatMul", ["weights", "queries"], "mixed"),
        node("Transpose", ["mixed"], "back", _perm(0, 2, 1, 3)),
        node("Reshape", ["back", "joined"], output),
    ]
    inputs = [value_info(name, INT64, ["rows", "tokens"]) for name in ("input_ids", "attention_mask")]
    outputs = [value_info(output, FLOAT, ["rows", "tokens", SIZE])]
    if output == "logits":
        over_tokens = attribute("axes", 8, 1, 7) + attribute("keepdims", 3, 0, 2)
        nodes += [
            node("ReduceMax", ["logits"], "latent", over_tokens),
            node("ReduceMax", ["latent"], "score", over_tokens),
        ]
        outputs += [value_info("latent", FLOAT, ["rows", SIZE]), value_info("score", FLOAT, ["rows"])]
    return model(nodes, [*table, *(int64_tensor(*shape) for shape in shapes.items())], inputs, outputs)


def _perm(*axes: int) -> bytes:
    return field(5, field(1, "perm") + b"".join(field(8, axis) for axis in axes) + field(20, 7))
