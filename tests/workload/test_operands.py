"""Operands by number and element type."""

from typing import Any

import pytest

from pimsim.errors import WorkloadError
from pimsim.workload.graph import BINARY_KINDS, OP_KINDS, SOURCE_KINDS, Op, TensorSpec
from pimsim.workload.operands import OPERANDS, check_operands, check_types


def op(kind: str, *inputs: str, **attributes: Any) -> Op:
    return Op("layer", kind, inputs, ("y",), attributes)


def test_every_kind_states_its_operand_count() -> None:
    assert OPERANDS.keys() == OP_KINDS
    for kind, (fewest, most) in OPERANDS.items():
        assert (most == 0) == (kind in SOURCE_KINDS)
        assert fewest <= most


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (op("arange", "x"), "here: kind 'arange' takes 0 inputs, got 1"),
        (op("where", "x", "x"), "here: kind 'where' takes 3 inputs, got 2"),
        (op("rms_norm", "x"), "here: kind 'rms_norm' takes 2 inputs, got 1"),
        (op("index", "x"), "here: kind 'index' takes 2 to 9 inputs, got 1"),
        (op("cat"), "here: kind 'cat' takes 1 to 1024 inputs, got 0"),
        (op("clamp", "x", "x"), "here: kind 'clamp' takes 1 inputs, got 2"),
    ],
)
def test_a_wrong_number_is_named_with_the_right_one(wrong: Op, message: str) -> None:
    with pytest.raises(WorkloadError) as caught:
        check_operands(wrong, "here")
    assert str(caught.value) == message


@pytest.mark.parametrize("kind", sorted(BINARY_KINDS))
def test_a_binary_operation_has_two_operands_or_a_scalar(kind: str) -> None:
    check_operands(op(kind, "a", "b"), "here")
    check_operands(op(kind, "a", scalar=0), "here")
    check_operands(op(kind, "a", scalar="seq", reverse=True), "here")
    with pytest.raises(WorkloadError, match="one and the attribute 'scalar'; got 1 and no scalar"):
        check_operands(op(kind, "a"), "here")
    with pytest.raises(WorkloadError, match="one and the attribute 'scalar'; got 2 and a scalar"):
        check_operands(op(kind, "a", "b", scalar=2.0), "here")
    with pytest.raises(WorkloadError, match="exchange the two inputs instead"):
        check_operands(op(kind, "a", "b", reverse=True), "here")


def specs(**dtypes: str) -> dict[str, TensorSpec]:
    return {name: TensorSpec(name, (2,), dtype, "activation") for name, dtype in dtypes.items()}


@pytest.mark.parametrize(
    ("looking_up", "dtypes"),
    [
        (op("embedding", "i", "x"), {"x": "float32", "y": "float32"}),
        (op("gather", "x", "i"), {"x": "bool", "y": "bool"}),
        (op("index", "x", "j", "i"), {"x": "float32", "j": "int64", "y": "float32"}),
    ],
)
def test_indices_are_integers(looking_up: Op, dtypes: dict[str, str]) -> None:
    for dtype in ("uint8", "int32", "int64"):
        check_types(looking_up, specs(i=dtype, **dtypes), "here")
    for dtype in ("bool", "float32"):
        with pytest.raises(WorkloadError) as caught:
            check_types(looking_up, specs(i=dtype, **dtypes), "here")
        assert str(caught.value) == (
            f"here ({looking_up.kind}): indices must be integers, but 'i' is {dtype}; cast it, or "
            "choose by a truth value with 'where'"
        )


@pytest.mark.parametrize("kind", ["softmax", "silu", "div", "mean", "exp", "rotary"])
def test_functions_of_real_numbers_do_not_give_integers(kind: str) -> None:
    function = op(kind, *"xxx"[: OPERANDS[kind][1]])
    check_types(function, specs(x="int64", y="float32"), "here")
    with pytest.raises(WorkloadError, match=rf"here \({kind}\): gives floating-point numbers, but"):
        check_types(function, specs(x="int64", y="int64"), "here")


@pytest.mark.parametrize("kind", ["add", "relu", "abs", "floor", "sum", "max", "mask", "cumsum"])
def test_other_functions_do(kind: str) -> None:
    check_types(op(kind, "x"), specs(x="int64", y="int64"), "here")
