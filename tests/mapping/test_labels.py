"""Labels move as elements do, and take no more memory than they tell."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.mapping.labels import distinct, move_labels
from pimsim.quantization.quantized import QuantizedOp


def movement(kind: str, **attributes) -> QuantizedOp:
    return QuantizedOp("m", "movement", "m", ("x",), "y", function=kind, attributes=attributes)


@given(
    heads=st.integers(1, 3), lengths=st.lists(st.integers(0, 3), min_size=1, max_size=3),
    axis=st.sampled_from([-2, -1, 0, 1, 2]), varied=st.booleans(),
)  # fmt: skip
def test_joining_is_concatenation(heads, lengths, axis, varied):
    arrays = []
    for number, length in enumerate(lengths):
        shape = [2, heads, 3]
        shape[axis] = length
        rows = np.arange(shape[1])[:, None] if varied else 0
        arrays.append(np.broadcast_to(10 * number + rows, shape))
    joined = move_labels(movement("cat", axis=axis), arrays, {})
    assert np.array_equal(joined, np.concatenate(arrays, axis=axis))


def test_labels_stay_as_small_as_what_they_tell():
    tokens = np.broadcast_to(np.arange(5)[None, :, None], (2, 5, 12))
    heads = move_labels(movement("view", shape=(2, 5, 3, 4)), [tokens], {})
    turned = move_labels(movement("permute", axes=(0, 2, 3, 1)), [heads], {})
    assert turned.shape == (2, 3, 4, 5)
    assert distinct(turned).shape == (1, 1, 1, 5)
    joined = move_labels(movement("cat", axis=3), [turned, turned], {})
    assert (joined.shape, distinct(joined).shape) == ((2, 3, 4, 10), (1, 1, 1, 10))


@pytest.mark.parametrize(
    ("shapes", "axis"), [([(2, 3), (2,)], 0), ([(2, 3), (2, 4)], 0), ([(2, 3), (2, 3)], 2)]
)
def test_shapes_that_do_not_join_are_refused(shapes, axis):
    with pytest.raises(ValueError, match="axis"):
        move_labels(movement("cat", axis=axis), [np.zeros(shape) for shape in shapes], {})
