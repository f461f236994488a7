"""Sizes are integers or small expressions of dimension names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.errors import WorkloadError
from pimsim.workload.shapes import (
    SizeTable,
    arange_length,
    elements,
    evaluate,
    resolve,
    resolve_number,
    resolve_shape,
)

DIMS = {"batch": 3, "seq": 17}

expressions = st.recursive(
    st.integers(1, 50).map(str) | st.sampled_from(sorted(DIMS)),
    lambda part: (
        st.tuples(part, st.sampled_from(["+", "*", "//", "-", "%"]), part).map(
            lambda parts: f"({parts[0]} {parts[1]} {parts[2]})"
        )
        | st.tuples(st.sampled_from(["max", "min"]), part, part).map(
            lambda parts: f"{parts[0]}({parts[1]}, {parts[2]})"
        )
        | part.map(lambda text: f"-{text}")
    ),
    max_leaves=8,
)


@given(expressions)
def test_an_expression_means_what_python_means_by_it(text: str) -> None:
    names = {"__builtins__": {}, "max": max, "min": min, **DIMS}
    try:
        expected = eval(text, names)  # noqa: S307  the oracle: Python itself, on text made here
    except ZeroDivisionError:
        with pytest.raises(WorkloadError, match="not by zero"):
            evaluate(text, DIMS)
        return
    assert evaluate(text, DIMS) == expected
    table = SizeTable(DIMS)
    assert [evaluate(text, table), evaluate(text, table)] == [expected, expected]
    for minimum in (0, 1):
        if expected >= minimum:
            assert resolve(text, DIMS, minimum=minimum) == expected
        else:
            with pytest.raises(WorkloadError, match=f"is {expected}; (every axis|it must not)"):
                resolve(text, table, minimum=minimum)


def test_a_table_keeps_the_numbers_of_dimensions_and_expressions() -> None:
    table = SizeTable(DIMS)
    evaluate("batch * seq", table)
    assert table == {**DIMS, "batch * seq": 51}
    with pytest.raises(WorkloadError, match="no dimension 'bach'; did you mean 'batch'"):
        evaluate("bach * 2", table)


def test_numbers_that_are_no_expressions_stay_what_they_are() -> None:
    for number in (2, 2.5, True, float("-inf")):
        assert resolve_number(number, {}) is number
    assert resolve_number("seq - 17", DIMS) == 0


@given(st.integers(-20, 20), st.integers(-20, 20), st.integers(-7, 7).filter(bool))
def test_the_length_of_a_range_is_pythons(start: int, stop: int, step: int) -> None:
    expected = len(range(start, stop, step))
    assert max(0, arange_length(start, stop, step, {})) == expected
    assert max(0, arange_length(float(start), stop, step, {})) == expected


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_elements_is_the_product_of_the_resolved_axes(first: int, second: int) -> None:
    assert resolve_shape(["n", first], {"n": second}) == (second, first)
    assert elements(["n", first, "n"], {"n": second}) == first * second**2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bach", "size 'bach': no dimension 'bach'; did you mean 'batch'?"),
        ("batch - 3", "size 'batch - 3' is 0; every axis needs at least 1"),
        ("batch // 0", "only integers, dimension names, \\+, -, \\*, // and %"),
        ("2 ** batch", "only integers, dimension names, \\+, -, \\*, // and %"),
        ("__import__('os').system('true')", "only integers, dimension names"),
        ("abs(batch)", "max\\(a, b\\) and min\\(a, b\\) are allowed"),
        ("max(batch)", "max\\(a, b\\) and min\\(a, b\\) are allowed"),
        ("min(batch, seq, default=1)", "max\\(a, b\\) and min\\(a, b\\) are allowed"),
        ("batch % (seq - 17)", "not by zero"),
        ("~batch", "only integers, dimension names"),
        ("True", "only integers, dimension names"),
        ("1.5", "only integers, dimension names"),
        ("batch +", "is not an expression"),
        ("1 + " * 100 + "1", "size expression of 401 characters: at most 200 are allowed"),
    ],
)
def test_anything_else_is_refused_with_its_text(text: str, message: str) -> None:
    with pytest.raises(WorkloadError, match=message):
        resolve(text, DIMS)
