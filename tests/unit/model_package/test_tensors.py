"""A graph is what its kind says, down to the numbers of its layers, or it is refused in words that name the fault."""

from collections.abc import Mapping

import pytest

from contracts.model_package.graphs import TextEncoder
from contracts.model_package.manifest import Limits, Manifest
from contracts.model_package.package import PackageError
from contracts.model_package.signatures import signatures_of
from contracts.model_package.tasks import TranslateTask
from contracts.model_package.tensors import FLOAT, FLOAT_OR_HALF, INT64, Declared, Signature, Tensor, fault_of

SIGNATURE = Signature(
    (Tensor("input_ids", INT64, 2), Tensor("past.{i}.key", FLOAT_OR_HALF, 4)),
    (Tensor("position_ids", INT64, 2), Tensor("bias.{i}", FLOAT, 1)),
    (Tensor("logits", FLOAT, 3), Tensor("present.{i}.key", FLOAT_OR_HALF, 4, follows="past.{i}.key")),
)
CACHE = Declared("float32", (None, 2, None, 16))
INPUTS = {"input_ids": Declared("int64", (None, None)), "past.0.key": CACHE, "past.1.key": CACHE}
OUTPUTS = {"logits": Declared("float32", (None, None, 99)), "present.0.key": CACHE, "present.1.key": CACHE}
Changes = Mapping[str, Declared | None]


def changed(tensors: Mapping[str, Declared], changes: Changes) -> dict[str, Declared]:
    return {name: tensor for name, tensor in {**tensors, **changes}.items() if tensor is not None}


def test_a_graph_as_its_kind_says_has_no_fault() -> None:
    assert fault_of(SIGNATURE, INPUTS, OUTPUTS) is None
    optional = {"position_ids": Declared("int64", (None, None)), "bias.1": Declared("float32", (4,))}
    more = {**INPUTS, **optional, "bias.0": Declared("float32", (4,))}
    assert fault_of(SIGNATURE, more, {**OUTPUTS, "hidden": Declared("seq(tensor(float))", ())}) is None


@pytest.mark.parametrize(
    ("inputs", "outputs", "said"),
    [
        ({"labels": Declared("int64", (None,))}, {}, "it takes an input labels"),
        ({"past.x.key": CACHE}, {}, "it takes an input past.x.key"),
        ({"past.01.key": CACHE}, {}, "it takes an input past.01.key"),
        ({"past.-1.key": CACHE}, {}, "it takes an input past.-1.key"),
        ({"pastX0.key": CACHE}, {}, "it takes an input pastX0.key"),
        ({"input_ids": None}, {}, "it has no input input_ids, but past.0.key, past.1.key"),
        ({"past.0.key": None, "past.1.key": None}, {}, "it has no input past.{i}.key"),
        ({}, {"logits": None}, "it has no output logits"),
        ({"input_ids": Declared("int32", (None, None))}, {}, "input_ids is int32, expected int64"),
        ({"input_ids": Declared("int64", (None,))}, {}, "input_ids has 1 dimensions, expected 2"),
        ({"past.1.key": Declared("float64", (1, 2, 3, 4))}, {}, "past.1.key is float64, expected float32 or float16"),
        ({}, {"logits": Declared("float32", ())}, "logits has 0 dimensions, expected 3"),
        ({"past.3.key": CACHE}, {}, r"past.{i}.key: its layers are [0, 1, 3]"),
        ({"past.0.key": None}, {}, r"past.{i}.key: its layers are [1]"),
        ({"past.999999.key": CACHE}, {}, r"past.{i}.key: its layers are [0, 1, 999999]"),
        ({"past.2.key": CACHE}, {}, "different numbers of layers: past.{i}.key 3, present.{i}.key 2"),
        ({"bias.0": Declared("float32", (4,))}, {}, "different numbers of layers: past.{i}.key 2, bias.{i} 1"),
        ({}, {"present.1.key": Declared("float16", CACHE.shape)}, "present.1.key is float16 [?, 2, ?, 16], and past.1"),
        ({}, {"present.1.key": Declared("float32", (None, 2, None, 8))}, "past.1.key, which it becomes, float32"),
        ({"past.0.key": Declared("float32", (7, 2, None, 16))}, {"present.0.key": Declared("float32", (8, 2, 9, 16))},
         "present.0.key is float32 [8, 2, 9, 16], and past.0.key"),
    ],
)  # fmt: skip
def test_a_graph_that_differs_is_refused_in_words(inputs: Changes, outputs: Changes, said: str) -> None:
    fault = fault_of(SIGNATURE, changed(INPUTS, inputs), changed(OUTPUTS, outputs))
    assert fault is not None and said in fault


def test_a_kind_that_can_not_do_the_task_is_refused() -> None:
    manifest = Manifest(
        name="odd", family="encoder", task=TranslateTask(), graph=TextEncoder(), source="x", revision="1",
        licence="mit", files={}, limits=Limits(max_tokens=8),
    )  # fmt: skip
    with pytest.raises(PackageError, match="'text-encoder' can't do the task 'translate'"):
        signatures_of(manifest)
