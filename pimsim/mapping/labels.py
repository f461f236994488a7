"""One label per element of a tensor, moved as the elements are moved.

Which question this module answers: *where does each element end up when tensors are viewed,
permuted, sliced and joined?*

An array of labels has the shape of its tensor, but seldom as many different labels: all elements of
a token have the same one, or all elements of a tensor. Such axes are broadcast (stride 0). Views,
permutations and slices leave them so; a concatenation here copies only the other axes. Labels of a
tensor of millions of elements then take as much memory as they tell.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pimsim.quantization.quantized import QuantizedOp
from pimsim.workload.graph import Op
from pimsim.workload.reference import apply_movement


def distinct(labels: NDArray[Any], keep: Sequence[int] = ()) -> NDArray[Any]:
    """The array with every broadcast axis cut to length 1, apart from the axes to ``keep``.

    Examples
    --------
    >>> distinct(np.broadcast_to(np.arange(3)[:, None], (2, 3, 4))).shape
    (1, 3, 1)
    """
    return labels[
        tuple(
            slice(0, 1) if stride == 0 and axis not in keep else slice(None)
            for axis, stride in enumerate(labels.strides)
        )
    ]


def move_labels(
    op: QuantizedOp, arrays: Sequence[NDArray[Any]], dims: Mapping[str, int]
) -> NDArray[Any]:
    """Move labels as a movement of a kind of the traced graph moves elements.

    Parameters
    ----------
    op
        A movement whose ``function`` is one of :data:`pimsim.workload.graph.MOVEMENT_KINDS`.
    arrays
        Labels of its inputs.
    dims
        A number for every symbolic dimension.

    Raises
    ------
    KeyError, ValueError, IndexError
        If an attribute is missing, or contradicts the shapes.
    """
    if op.function == "cat":
        return _join(arrays, op.attributes["axis"])
    movement = Op(op.name, str(op.function), op.inputs, (op.output,), op.attributes)
    return apply_movement(movement, arrays, dims)


def _join(arrays: Sequence[NDArray[Any]], axis: int) -> NDArray[Any]:
    """Concatenate, copying only axes along which some array has several labels."""
    dims = arrays[0].ndim
    along = axis % dims if dims else 0
    if any(array.ndim != dims for array in arrays) or not -dims <= axis < dims:
        raise ValueError(f"axis {axis} of arrays of {[array.ndim for array in arrays]} axes")
    others = [array.shape[:along] + array.shape[along + 1 :] for array in arrays]
    if any(shape != others[0] for shape in others):
        raise ValueError(f"all sizes must be equal but along axis {axis}")
    varied = [
        other
        for other in range(dims)
        if other == along or any(array.strides[other] for array in arrays)
    ]
    joined = np.concatenate([distinct(array, keep=varied) for array in arrays], axis=along)
    shape = list(arrays[0].shape)
    shape[along] = joined.shape[along]
    return np.broadcast_to(joined, shape)
