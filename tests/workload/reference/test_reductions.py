"""Reductions against loops over the axes that are kept."""

import itertools
import math
from typing import Any

import numpy as np
import pytest

from pimsim.workload.graph import REDUCTION_KINDS, Op
from pimsim.workload.reference import execute
from pimsim.workload.reference.reductions import REDUCTIONS


def op(kind: str, **attributes: Any) -> Op:
    return Op("layer", kind, ("x",), ("y",), attributes)


def test_every_reduction_has_its_function() -> None:
    assert REDUCTIONS.keys() == REDUCTION_KINDS


ENTRIES: dict[str, Any] = {
    "sum": math.fsum,
    "mean": lambda entries: math.fsum(entries) / len(entries),
    "max": max,
    "min": min,
    "any": any,
    "all": all,
}


@pytest.mark.parametrize("kind", sorted(ENTRIES))
@pytest.mark.parametrize(("axes", "reduced"), [((1,), {1}), ((-1, 0), {0, 2}), ((), set())])
def test_the_axes_named_are_reduced_and_no_others(
    kind: str, axes: tuple[int, ...], reduced: set[int]
) -> None:
    x = np.random.default_rng(0).integers(-1, 2, (2, 3, 4)).astype(np.float32)
    x[0, :, :] += 1  # rows of zeros for any, without a zero for all
    x[0, 1, :] = 0.5
    y = execute(op(kind, axes=axes, keepdims=True), [x], {})
    flat = execute(op(kind, axes=axes, keepdims=False), [x], {})
    assert y.shape == tuple(1 if axis in reduced else size for axis, size in enumerate(x.shape))
    assert flat.ravel().tolist() == y.ravel().tolist()
    for place in np.ndindex(y.shape):
        ranges = (
            range(size) if axis in reduced else [place[axis]] for axis, size in enumerate(x.shape)
        )
        entries = [float(x[index]) for index in itertools.product(*ranges)]
        assert math.isclose(y[place], ENTRIES[kind](entries), rel_tol=1e-6, abs_tol=1e-6)


def test_counting_truth_values_gives_integers_and_averaging_integers_a_fraction() -> None:
    keep = np.array([[True, True, False], [False, True, False]])
    count = execute(op("sum", axes=(1,), keepdims=False), [keep], {})
    assert count.dtype == np.int64
    assert count.tolist() == [2, 1]
    running = execute(op("cumsum", axis=-1), [keep], {})
    assert running.dtype == np.int64
    assert running.tolist() == [[1, 2, 2], [0, 1, 1]]
    mean = execute(op("mean", axes=(0, 1), keepdims=False), [np.array([[1, 2], [2, 2]])], {})
    assert mean.dtype == np.float32
    assert mean == 1.75


@pytest.mark.parametrize(("kind", "expected"), [("argmax", [1, 0]), ("argmin", [0, 1])])
def test_the_first_of_equal_extrema_is_named(kind: str, expected: list[int]) -> None:
    x = np.array([[1, 3, 3, 1], [2, 0, 0, 2]], np.float32)
    y = execute(op(kind, axis=-1, keepdims=False), [x], {})
    assert y.dtype == np.int64
    assert y.tolist() == expected
    assert execute(op(kind, axis=1, keepdims=True), [x], {}).shape == (2, 1)
