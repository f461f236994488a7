"""Sizes are integers or small expressions of dimension names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.errors import WorkloadError
from pimsim.workload.shapes import elements, resolve, resolve_shape

DIMS = {"batch": 3, "seq": 17}

expressions = st.recursive(
    st.integers(1, 50).map(str) | st.sampled_from(sorted(DIMS)),
    lambda part: st.tuples(part, st.sampled_from(["+", "*", "//", "-"]), part).map(
        lambda parts: f"({parts[0]} {parts[1]} {parts[2]})"
    ),
    max_leaves=8,
)


@given(expressions)
def test_an_expression_means_what_python_means_by_it(text: str) -> None:
    names = {"__builtins__": {}, **DIMS}
    try:
        expected = eval(text, names)  # noqa: S307  the oracle: Python itself, on text made here
    except ZeroDivisionError:
        expected = 0
    if expected >= 1:
        assert resolve(text, DIMS) == expected
    else:
        with pytest.raises(WorkloadError, match="size"):
            resolve(text, DIMS)


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_elements_is_the_product_of_the_resolved_axes(first: int, second: int) -> None:
    assert resolve_shape(["n", first], {"n": second}) == (second, first)
    assert elements(["n", first, "n"], {"n": second}) == first * second**2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bach", "size 'bach': no dimension 'bach'; did you mean 'batch'?"),
        ("batch - 3", "size 'batch - 3' is 0; every axis needs at least 1"),
        ("batch // 0", "only integers, dimension names, \\+, -, \\* and //"),
        ("2 ** batch", "only integers, dimension names, \\+, -, \\* and //"),
        ("__import__('os').system('true')", "only integers, dimension names"),
        ("True", "only integers, dimension names"),
        ("1.5", "only integers, dimension names"),
        ("batch +", "is not an expression"),
        ("1 + " * 100 + "1", "size expression of 401 characters: at most 200 are allowed"),
    ],
)
def test_anything_else_is_refused_with_its_text(text: str, message: str) -> None:
    with pytest.raises(WorkloadError, match=message):
        resolve(text, DIMS)
