"""Model packages of a few kilobytes, made in milliseconds without a training library or the `onnx` package.

An embedder's graph looks up one vector a token and nothing else, so a test can say what every answer must be. A
classifier's logits are the mean of its tokens' vectors. Graphs are written as protobuf by hand (onnx.proto, field
numbers beside each field); the tokenizer knows single lower-case words.
"""

import json
import struct
from hashlib import sha256
from pathlib import Path

import numpy as np

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *(f"w{number}" for number in range(96))]
MAX_TOKENS = 64
_FLOAT, _INT64 = 1, 7
Dim = int | str


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def _field(number: int, value: int | str | bytes) -> bytes:
    """Return one protobuf field: a number as varint, the rest by length."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _value(name: str, kind: int, dims: list[Dim]) -> bytes:
    shape = b"".join(_field(1, _field(1 if isinstance(dim, int) else 2, dim)) for dim in dims)
    tensor = _field(1, kind) + _field(2, shape)  # elem_type, shape
    return _field(1, name) + _field(2, _field(1, tensor))  # name, type.tensor_type


def _node(kind: str, inputs: list[str], output: str, attributes: bytes = b"") -> bytes:
    return b"".join(_field(1, name) for name in inputs) + _field(2, output) + _field(4, kind) + attributes


def float_tensor(name: str, array: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]") -> bytes:
    """Return a tensor that carries its data."""
    dims = b"".join(_field(1, dim) for dim in array.shape)
    return dims + _field(2, _FLOAT) + _field(8, name) + _field(9, array.astype("<f4").tobytes())


def external_tensor(name: str, dims: list[int], location: str) -> bytes:
    """Return a tensor whose data lies in another file, as graphs above 2 GB have it."""
    entry = _field(1, "location") + _field(2, location)
    return (
        b"".join(_field(1, dim) for dim in dims)
        + _field(2, _FLOAT)
        + _field(8, name)
        + _field(13, entry)
        + _field(14, 1)
    )  # external_data, data_location EXTERNAL


def model(nodes: list[bytes], tensors: list[bytes], inputs: list[bytes], outputs: list[bytes]) -> bytes:
    """Return a ModelProto of opset 17."""
    graph = b"".join(_field(1, node) for node in nodes) + _field(2, "tiny")
    graph += b"".join(_field(5, tensor) for tensor in tensors)
    graph += b"".join(_field(11, value) for value in inputs) + b"".join(_field(12, value) for value in outputs)
    opset = _field(1, "") + _field(2, 17)
    return _field(1, 8) + _field(7, graph) + _field(8, opset)  # ir_version, graph, opset_import


def token_vectors(size: int, seed: int = 7) -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
    """Return what the graphs look up: float32 [words, size]."""
    return np.random.default_rng(seed).standard_normal((len(WORDS), size)).astype(np.float32)


def graph_of(task: str, size: int, table: bytes | None = None) -> bytes:
    """Return the graph of a tiny embedder or classifier; ``table`` replaces the tensor ``table`` of its vectors."""
    table = table or float_tensor("table", token_vectors(size))
    ids = _value("input_ids", _INT64, ["rows", "tokens"])
    if task == "embed":
        output = _value("last_hidden_state", _FLOAT, ["rows", "tokens", size])
        return model([_node("Gather", ["table", "input_ids"], "last_hidden_state")], [table], [ids], [output])
    mask = _value("attention_mask", _INT64, ["rows", "tokens"])
    no_dims = _field(5, _field(1, "keepdims") + _field(3, 0) + _field(20, 2))
    nodes = [
        _node("Gather", ["table", "input_ids"], "vectors"),
        _node("Cast", ["attention_mask"], "weights", _field(5, _field(1, "to") + _field(3, _FLOAT) + _field(20, 2))),
        _node("Unsqueeze", ["weights", "axis"], "column"),
        _node("Mul", ["vectors", "column"], "kept"),
        _node("ReduceSum", ["kept", "middle"], "sum", no_dims),
        _node("ReduceSum", ["column", "middle"], "count", no_dims),
        _node("Div", ["sum", "count"], "logits"),
    ]
    axes = [
        _field(1, 1) + _field(2, _INT64) + _field(8, name) + _field(9, struct.pack("<q", axis))
        for name, axis in (("axis", 2), ("middle", 1))
    ]
    return model(nodes, [table, *axes], [ids, mask], [_value("logits", _FLOAT, ["rows", size])])


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
) -> Path:
    """Write a package named like its folder and return the folder."""
    folder.mkdir(parents=True)
    labels = labels or ["low", "middle", "high"]
    size = len(labels) if task == "classify" else size
    files = {"model.onnx": graph or graph_of(task, size), "tokenizer.json": (tokenizer or tokenizer_json()).encode()}
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
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in head.items()]
    lines += ["[files]", *(f'"{name}" = "{sha256(content).hexdigest()}"' for name, content in files.items())]
    lines += ["[limits]", f"max_tokens = {max_tokens}"]
    if task == "embed":
        lines += ["[embed]", f'pooling = "{pooling}"', f"normalize = {json.dumps(normalize)}", f"dimensions = {size}"]
    else:
        lines += ["[classify]", f"labels = {json.dumps(labels)}", f'function_to_apply = "{function}"']
    (folder / "manifest.toml").write_text("\n".join(lines) + "\n")
    return folder
