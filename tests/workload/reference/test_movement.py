"""Data movement: every element comes from where the definition says."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pimsim.errors import UnsupportedOpError, WorkloadError
from pimsim.workload.graph import MOVEMENT_KINDS, Op
from pimsim.workload.reference import apply_movement
from pimsim.workload.reference.movement import MOVEMENTS


def op(kind: str, count: int = 1, **attributes: Any) -> Op:
    return Op("layer", kind, tuple("abc"[:count]), ("y",), attributes)


def test_every_movement_has_its_function() -> None:
    assert MOVEMENTS.keys() == MOVEMENT_KINDS


CASES = (
    (op("view", shape=("batch", 6, "2*batch")), (2, 3, 8), lambda i: None),
    (op("permute", axes=(2, 0, 1)), (2, 3, 8), lambda i: (i[1], i[2], i[0])),
    (op("expand", shape=("batch", 2, 3, 8)), (1, 3, 8), lambda i: (0, i[2], i[3])),
    (
        op("slice", axis=2, start=1, stop="4*batch", step=3),
        (2, 3, 8),
        lambda i: (*i[:2], 1 + 3 * i[2]),
    ),
    (op("select", axis=1, index=-1), (2, 3, 8), lambda i: (i[0], 2, i[1])),
    (
        op("slice", axis=-1, start="batch - 2", stop="batch", step=1),
        (2, 3, 8),
        lambda i: i,
    ),
    (op("flip", axes=(0, -1)), (2, 3, 8), lambda i: (1 - i[0], i[1], 7 - i[2])),
)


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.float32, np.bool_])
@pytest.mark.parametrize(
    ("movement", "shape", "origin"), CASES, ids=[case[0].kind for case in CASES]
)
def test_movement_puts_every_element_where_its_definition_says(
    movement: Op, shape: tuple[int, ...], origin: Any, dtype: Any
) -> None:
    x = np.arange(math.prod(shape)).reshape(shape).astype(dtype)
    y = apply_movement(movement, [x], {"batch": 2})
    assert y.dtype == dtype
    if movement.kind == "view":
        assert y.shape == (2, 6, 4)
        assert y.ravel().tolist() == x.ravel().tolist()
        return
    for index in np.ndindex(y.shape):
        assert y[index] == x[origin(index)]


def test_cat_joins_any_number_of_operands() -> None:
    parts = [np.full((2, count, 2), count, np.int32) for count in (1, 2, 3)]
    y = apply_movement(op("cat", 3, axis=1), parts, {})
    assert y.dtype == np.int32
    assert y[0, :, 0].tolist() == [1, 2, 2, 3, 3, 3]


@pytest.mark.parametrize("dtype", [np.int8, np.float32, np.bool_])
def test_pad_surrounds_the_values_with_one_value_in_their_type(dtype: Any) -> None:
    x = np.array([[0, 1], [1, 1]], dtype)
    y = apply_movement(
        op("pad", padding=((1, "batch"), (0, "batch - 2")), value=1), [x], {"batch": 2}
    )
    assert y.dtype == dtype
    assert y.tolist() == np.array([[1, 1], [0, 1], [1, 1], [1, 1], [1, 1]], dtype).tolist()


def test_gather_picks_one_entry_per_place() -> None:
    x, index = np.arange(24).reshape(2, 3, 4), np.array([[[3, 0]] * 3, [[1, 1]] * 3])
    y = apply_movement(op("gather", 2, axis=-1), [x, index], {})
    for place in np.ndindex(2, 3, 2):
        assert y[place] == x[(*place[:2], index[place])]


def test_index_puts_the_picked_axes_in_the_place_of_the_old_ones() -> None:
    x = np.arange(2 * 4 * 5 * 3).reshape(2, 4, 5, 3)
    rows, columns = np.array([[3], [-4]]), np.array([0, -1, 2])
    y = apply_movement(op("index", 3, axes=(1, -2)), [x, rows, columns], {})
    assert y.shape == (2, 2, 3, 3)
    for batch, i, j, last in np.ndindex(y.shape):
        assert y[batch, i, j, last] == x[batch, rows[i, 0], columns[j], last]


@pytest.mark.parametrize(
    ("movement", "index", "message"),
    [
        (op("gather", 2, axis=0), [2, -1], r"\(gather\): index -1 is outside 0 to 2"),
        (op("gather", 2, axis=0), [3, 1], r"\(gather\): index 3 is outside 0 to 2"),
        (op("index", 2, axes=(0,)), [3], r"\(index\): index 3 is outside -3 to 2"),
        (op("index", 2, axes=(0,)), [-4], r"\(index\): index -4 is outside -3 to 2"),
    ],
)
def test_an_index_outside_its_axis_is_an_error_with_the_op(
    movement: Op, index: list[int], message: str
) -> None:
    with pytest.raises(WorkloadError, match=f"op 'layer' {message}"):
        apply_movement(movement, [np.arange(3), np.array(index)], {})


def test_what_is_not_movement_is_named() -> None:
    values: NDArray[Any] = np.zeros(2)
    with pytest.raises(UnsupportedOpError, match="op 'layer': kind 'gelu' is not data movement"):
        apply_movement(op("gelu"), [values], {})
