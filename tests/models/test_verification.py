"""A comparison keeps the worst difference of all arrays, and verification allows what the precision permits."""

import msgspec
import numpy as np
import pytest

from contracts.model_package.graphs import TextEncoder
from contracts.model_package.manifest import Limits, Manifest, Precision
from contracts.model_package.tasks import Embed, EmbedTask
from onnx_models.errors import ParityError
from onnx_models.verification.comparison import Comparison
from onnx_models.verification.verify import is_batch_safe, judge, verified

MANIFEST = Manifest(
    name="m", family="encoder", task=EmbedTask(embed=Embed(pooling="mean", dimensions=2)), graph=TextEncoder(),
    source="tests", revision="1", licence="mit", files={}, limits=Limits(max_tokens=8),
)  # fmt: skip
REFERENCE = np.array([[3.0, 4.0], [0.0, -20.0]])


def of(precision: Precision) -> Manifest:
    return msgspec.structs.replace(MANIFEST, precision=precision)


def compared(served: object, reference: object = REFERENCE) -> Comparison:
    found = Comparison()
    found.add(np.asarray(served), np.asarray(reference))
    return found


def test_differences_are_the_worst_of_all_arrays() -> None:
    found = compared(REFERENCE + np.array([[0.0, 0.5], [0.0, 0.0]]))
    found.add(np.array([0.25, 0.5]), np.array([0.5, 0.5]))

    assert found.max_abs_diff == 0.5
    assert found.relative_diff == 0.25  # 0.5 of 20 is less than 0.25 of 1: small numbers are not blown up
    assert found.min_cosine == pytest.approx(0.375 / (np.hypot(0.25, 0.5) * np.hypot(0.5, 0.5)))
    assert found.same_top == pytest.approx(2 / 3)


def test_the_share_of_equal_tokens_ends_at_the_first_difference() -> None:
    found = Comparison()
    found.add_tokens([1, 2, 3, 4], [1, 2, 9, 4])
    found.add_tokens([5, 6], [5, 6])
    found.add_tokens([7], [7, 8, 9, 10])  # one side stopped too early

    assert (found.same_tokens, found.num_tokens) == ((2 + 2 + 1) / 10, 10)


def test_arrays_of_different_shapes_can_not_be_compared() -> None:
    with pytest.raises(ParityError, match=r"\(2, 2\).*\(2,\)"):
        compared(REFERENCE, [1.0, 2.0])


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8", "int4", "int8-dynamic"])
@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_nan_and_infinity_fail_at_every_precision(precision: Precision, number: float) -> None:
    served = REFERENCE.copy()
    served[1, 0] = number
    with pytest.raises(ParityError, match="NaN or infinity"):
        judge(compared(served), of(precision), atol=1e9, min_cosine=-1.0)


def test_fp32_is_verified_by_differences_and_tokens() -> None:
    judge(compared(REFERENCE + 1e-3), of("fp32"), atol=1e-4)  # 1e-3 of 20
    with pytest.raises(ParityError, match=r"differ by 0\.005; the limit is 0\.0001"):
        judge(compared(REFERENCE + 0.1), of("fp32"), atol=1e-4)
    wrong = compared(REFERENCE)
    wrong.add_tokens([1, 2], [1, 3])
    with pytest.raises(ParityError, match="greedily decoded tokens differ: only the first 50%"):
        judge(wrong, of("fp32"), atol=1e-4)


def test_a_vector_that_became_zero_has_cosine_zero() -> None:
    assert compared([[0.0, 0.0], [0.0, -20.0]]).min_cosine == 0.0
    assert compared([[0.0, 0.0]], [[0.0, 0.0]]).min_cosine == 1.0


def test_lower_precisions_are_verified_by_cosine() -> None:
    turned = compared([[3.0, 3.0], [0.0, -20.0]])  # cosine 0.99
    turned.add_tokens([1], [2])
    judge(turned, of("int8"), atol=0.0)
    with pytest.raises(ParityError, match=r"int8 differs too much .* 0\.9899, the limit is 0\.999"):
        judge(turned, of("int8"), atol=0.0, min_cosine=0.999)
    with pytest.raises(ParityError, match="fp16 differs too much"):
        judge(turned, of("fp16"), atol=0.0)


@pytest.mark.parametrize(
    ("precision", "batch_diff", "safe"),
    [
        ("fp32", 1e-5, True), ("fp32", 1e-2, False), ("fp32", float("nan"), False), ("fp16", 5e-3, True),
        ("int8", 0.0, True), ("int8", 1e-9, False), ("int4", 0.0, True), ("int8-dynamic", 0.0, False),
    ],
)  # fmt: skip
def test_batch_safe_means_bit_equality_for_quantised_weights_and_never_holds_for_dynamic_int8(
    precision: Precision, batch_diff: float, safe: bool
) -> None:
    assert is_batch_safe({"batch_diff": batch_diff}, of(precision)) is safe
    assert verified(of(precision), {"batch_diff": batch_diff}).batch_safe is safe
