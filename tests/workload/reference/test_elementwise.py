"""Arithmetic and logic against Python's own, and what integers refuse."""

import math
import operator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.errors import WorkloadError
from pimsim.workload.graph import BINARY_KINDS, UNARY_KINDS, Op
from pimsim.workload.reference import execute
from pimsim.workload.reference.elementwise import BINARIES, UNARIES


def op(kind: str, count: int = 1, **attributes: Any) -> Op:
    return Op("layer", kind, tuple("abc"[:count]), ("y",), attributes)


def test_every_elementwise_kind_has_its_function() -> None:
    assert BINARIES.keys() == BINARY_KINDS
    assert UNARIES.keys() == UNARY_KINDS


PYTHONS: dict[str, Any] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "minimum": min,
    "maximum": max,
    "floor_divide": operator.floordiv,
    "remainder": operator.mod,
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "logical_and": lambda a, b: bool(a) and bool(b),
    "logical_or": lambda a, b: bool(a) or bool(b),
    "logical_xor": lambda a, b: bool(a) != bool(b),
}


@given(st.integers(-(2**31), 2**31), st.integers(-(2**31), 2**31).filter(bool))
def test_integers_are_exact(first: int, second: int) -> None:
    a, b = np.array([first]), np.array([second])
    for kind, function in PYTHONS.items():
        expected = function(first, second)
        both = execute(op(kind, 2), [a, b], {})
        right = execute(op(kind, scalar=second), [a], {})
        left = execute(op(kind, scalar=first, reverse=True), [b], {})
        assert both.tolist() == right.tolist() == left.tolist() == [expected]
        assert both.dtype == (np.bool_ if isinstance(expected, bool) else np.int64)
    quotient = execute(op("div", 2), [a, b], {})
    assert quotient.dtype == np.float32
    assert math.isclose(quotient[0], Fraction(first, second), rel_tol=3e-7)


@given(st.integers(-9, 9), st.integers(0, 12))
def test_integer_powers_are_exact(base: int, exponent: int) -> None:
    a, b = np.array([base]), np.array([exponent])
    assert execute(op("pow", 2), [a, b], {}).tolist() == [base**exponent]
    assert execute(op("pow", scalar=exponent), [a], {}).tolist() == [base**exponent]
    assert execute(op("pow", scalar=base, reverse=True), [b], {}).tolist() == [base**exponent]


def test_a_scalar_may_be_a_size_expression() -> None:
    x = np.array([0.5, 1], np.float32)
    y = execute(op("sub", scalar="seq - 1", reverse=True), [x], {"seq": 5})
    assert y.tolist() == [3.5, 3]


def test_a_bare_number_does_not_widen_an_array() -> None:
    for dtype in (np.float32, np.int8, np.int32):
        assert execute(op("mul", scalar=3), [np.ones(2, dtype)], {}).dtype == dtype
    assert execute(op("mul", scalar=0.5), [np.ones(2, np.int64)], {}).dtype == np.float32
    assert execute(op("add", 2), [np.ones(2, np.float32), np.ones((), np.int64)], {}).dtype == (
        np.float32
    )


@pytest.mark.parametrize(
    ("function", "x", "message"),
    [
        (op("floor_divide", scalar=0), [1], r"\(floor_divide\): divides an integer by zero"),
        (op("remainder", scalar=3, reverse=True), [1, 0], "divides an integer by zero"),
        (op("pow", scalar=-1), [2], r"\(pow\): an integer has no negative power; cast it"),
    ],
)
def test_integers_without_an_answer_are_errors(function: Op, x: list[int], message: str) -> None:
    with pytest.raises(WorkloadError, match=message):
        execute(function, [np.array(x)], {})


def test_floating_point_divides_by_zero() -> None:
    x = np.array([1, -1, 0], np.float32)
    y = execute(op("floor_divide", scalar=0), [x], {})
    assert y[:2].tolist() == [np.inf, -np.inf]
    assert np.isnan(y[2])


@pytest.mark.parametrize(
    ("dtype", "scalar"), [("int8", 300), ("uint8", -1), ("int64", 2.5), ("int32", math.inf)]
)
def test_a_number_that_the_element_type_cannot_hold_is_an_error(dtype: str, scalar: float) -> None:
    with pytest.raises(WorkloadError, match=rf"op 'layer' \(add\): {dtype} cannot hold {scalar}"):
        execute(op("add", scalar=scalar), [np.ones(2, dtype)], {}, dtype)


POINTS = (-2.5, -1.5, -0.5, -0.25, 0.0, 0.5, 1.5, 2.25, 2.5)
UNARY: dict[str, Any] = {
    "exp": math.exp,
    "neg": operator.neg,
    "abs": abs,
    "sin": math.sin,
    "cos": math.cos,
    "erf": math.erf,
    "floor": math.floor,
    "ceil": math.ceil,
    "round": round,  # halves to even, as PyTorch
    "sign": lambda value: (value > 0) - (value < 0),
    "logical_not": operator.not_,
}


@pytest.mark.parametrize("kind", sorted(UNARY))
def test_functions_of_one_element_are_pythons(kind: str) -> None:
    x = np.array(POINTS, np.float32)
    y = execute(op(kind), [x], {})
    assert y.dtype == (np.bool_ if kind == "logical_not" else np.float32)
    assert np.allclose(y, [UNARY[kind](value) for value in POINTS], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("kind", "function"),
    [("sqrt", math.sqrt), ("log", math.log), ("rsqrt", lambda value: 1 / math.sqrt(value))],
)
def test_functions_of_a_positive_element_are_pythons(kind: str, function: Any) -> None:
    values = [0.01, 0.5, 1.0, 7.0, 1e6]
    y = execute(op(kind), [np.array(values, np.float32)], {})
    assert y.dtype == np.float32
    assert np.allclose(y, list(map(function, values)), rtol=1e-6)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"low": -1}, [-1, 0, 3]),
        ({"high": 2.0}, [-2, 0, 2]),
        ({"low": -1, "high": 1}, [-1, 0, 1]),
        ({"low": 1, "high": -1}, [-1, -1, -1]),
    ],
)
def test_clamp_limits_from_one_side_or_both(
    attributes: dict[str, float], expected: list[float]
) -> None:
    y = execute(op("clamp", **attributes), [np.array([-2, 0, 3], np.float32)], {})
    assert y.tolist() == expected


def test_where_chooses_and_broadcasts() -> None:
    condition, a, b = np.array([[True], [False]]), np.array([1, 2]), np.array([0.5, 0.25])
    y = execute(op("where", 3), [condition, a, b.astype(np.float32)], {})
    assert y.dtype == np.float32
    assert y.tolist() == [[1, 2], [0.5, 0.25]]
