"""A graph has the signature of its kind, down to its numbers of layers, or is refused with the mismatch."""

from collections.abc import Mapping

import pytest

from contracts.model_package.graphs import TextEncoder
from contracts.model_package.manifest import Limits, Manifest
from contracts.model_package.package import PackageError
from contracts.model_package.signatures import signatures_of
from contracts.model_package.tasks import TranslateTask
from contracts.model_package.tensors import (
    FLOAT,
    FLOAT_OR_HALF,
    INT64,
    Signature,
    TensorInfo,
    TensorSpec,
    find_mismatch,
)

SIGNATURE = Signature(
    (TensorSpec("input_ids", INT64, 2), TensorSpec("past.{i}.key", FLOAT_OR_HALF, 4)),
    (TensorSpec("position_ids", INT64, 2), TensorSpec("bias.{i}", FLOAT, 1)),
    (TensorSpec("logits", FLOAT, 3), TensorSpec("present.{i}.key", FLOAT_OR_HALF, 4, next_input="past.{i}.key")),
)
CACHE = TensorInfo("float32", (None, 2, None, 16))
INPUTS = {"input_ids": TensorInfo("int64", (None, None)), "past.0.key": CACHE, "past.1.key": CACHE}
OUTPUTS = {"logits": TensorInfo("float32", (None, None, 99)), "present.0.key": CACHE, "present.1.key": CACHE}
Changes = Mapping[str, TensorInfo | None]


def changed(tensors: Mapping[str, TensorInfo], changes: Changes) -> dict[str, TensorInfo]:
    return {name: tensor for name, tensor in {**tensors, **changes}.items() if tensor is not None}


def test_a_graph_with_the_signature_of_its_kind_has_no_mismatch() -> None:
    assert find_mismatch(SIGNATURE, INPUTS, OUTPUTS) is None
    optional = {"position_ids": TensorInfo("int64", (None, None)), "bias.1": TensorInfo("float32", (4,))}
    more = {**INPUTS, **optional, "bias.0": TensorInfo("float32", (4,))}
    assert find_mismatch(SIGNATURE, more, {**OUTPUTS, "hidden": TensorInfo("seq(tensor(float))", ())}) is None


@pytest.mark.parametrize(
    ("inputs", "outputs", "message"),
    [
        ({"labels": TensorInfo("int64", (None,))}, {}, "it takes an input labels"),
        ({"past.x.key": CACHE}, {}, "it takes an input past.x.key"),
        ({"past.01.key": CACHE}, {}, "it takes an input past.01.key"),
        ({"past.-1.key": CACHE}, {}, "it takes an input past.-1.key"),
        ({"pastX0.key": CACHE}, {}, "it takes an input pastX0.key"),
        ({"input_ids": None}, {}, "it has no input input_ids, but past.0.key, past.1.key"),
        ({"past.0.key": None, "past.1.key": None}, {}, "it has no input past.{i}.key"),
        ({}, {"logits": None}, "it has no output logits"),
        ({"input_ids": TensorInfo("int32", (None, None))}, {}, "input_ids is int32, expected int64"),
        ({"input_ids": TensorInfo("int64", (None,))}, {}, "input_ids has 1 dimensions, expected 2"),
        ({"past.1.key": TensorInfo("float64", (1, 2, 3, 4))}, {}, "past.1.key is float64, expected float32 or float16"),
        ({}, {"logits": TensorInfo("float32", ())}, "logits has 0 dimensions, expected 3"),
        ({"past.3.key": CACHE}, {}, r"past.{i}.key: its layers are [0, 1, 3]"),
        ({"past.0.key": None}, {}, r"past.{i}.key: its layers are [1]"),
        ({"past.999999.key": CACHE}, {}, r"past.{i}.key: its layers are [0, 1, 999999]"),
        ({"past.2.key": CACHE}, {}, "different numbers of layers: past.{i}.key 3, present.{i}.key 2"),
        ({"bias.0": TensorInfo("float32", (4,))}, {}, "different numbers of layers: past.{i}.key 2, bias.{i} 1"),
        ({}, {"present.1.key": TensorInfo("float16", CACHE.shape)}, "present.1.key is float16 [?, 2, ?, 16], but past"),
        ({}, {"present.1.key": TensorInfo("float32", (None, 2, None, 8))},
         "but past.1.key, which takes it in the next call, is float32"),
        ({"past.0.key": TensorInfo("float32", (7, 2, None, 16))},
         {"present.0.key": TensorInfo("float32", (8, 2, 9, 16))}, "present.0.key is float32 [8, 2, 9, 16], but past"),
    ],
)  # fmt: skip
def test_a_graph_that_differs_is_refused_with_the_difference(inputs: Changes, outputs: Changes, message: str) -> None:
    mismatch = find_mismatch(SIGNATURE, changed(INPUTS, inputs), changed(OUTPUTS, outputs))
    assert mismatch is not None and message in mismatch


def test_a_kind_that_can_not_do_the_task_is_refused() -> None:
    manifest = Manifest(
        name="odd", family="encoder", task=TranslateTask(), graph=TextEncoder(), source="x", revision="1",
        licence="mit", files={}, limits=Limits(max_tokens=8),
    )  # fmt: skip
    with pytest.raises(PackageError, match="'text-encoder' can't do the task 'translate'"):
        signatures_of(manifest)
