"""Data movement: values change their place, never themselves.

Which question this module answers: *where does each value go?*
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from pimsim.errors import UnsupportedOpError
from pimsim.workload.graph import Op
from pimsim.workload.reference.operands import Array, check_range, number
from pimsim.workload.shapes import resolve, resolve_shape

Movement = Callable[[Op, Sequence[Array], Mapping[str, int]], Array]


def apply_movement(op: Op, inputs: Sequence[Array], dims: Mapping[str, int]) -> Array:
    """Rearrange values without changing any, whatever their element type.

    Parameters
    ----------
    op
        An operation of one of :data:`~pimsim.workload.graph.MOVEMENT_KINDS`.
    inputs
        Its operands. The result may share their memory: do not write into it.
    dims
        The number that each symbolic dimension stands for.

    Raises
    ------
    UnsupportedOpError
        If ``op`` is not a movement.
    WorkloadError
        If an index lies outside the axis that it picks from.

    Examples
    --------
    >>> split = Op("heads", "view", ("x",), ("y",), {"shape": ("batch", 2, 3)})
    >>> apply_movement(split, [np.arange(12).reshape(2, 6)], {"batch": 2}).shape
    (2, 2, 3)
    """
    if op.kind not in MOVEMENTS:
        raise UnsupportedOpError(
            f"op {op.name!r}: kind {op.kind!r} is not data movement; movements are "
            f"{', '.join(sorted(MOVEMENTS))}"
        )
    return MOVEMENTS[op.kind](op, inputs, dims)


def _view(op: Op, inputs: Sequence[Array], dims: Mapping[str, int]) -> Array:
    return inputs[0].reshape(resolve_shape(op.attributes["shape"], dims))


def _permute(op: Op, inputs: Sequence[Array], dims: Mapping[str, int]) -> Array:
    return inputs[0].transpose(op.attributes["axes"])


def _expand(op: Op, inputs: Sequence[Array], dims: Mapping[str, int]) -> Array:
    return np.broadcast_to(inputs[0], resolve_shape(op.attributes["shape"], dims))


def _slice(op: Op, inputs: Sequence[Array], dims: Mapping[str, int]) -> Array:
    start, stop = (resolve(op.attributes[bound], dims, minimum=0) for bound in ("start", "stop"))
    index: list[slice] = [slice(None)] * inputs[0].ndim
    index[op.attributes["axis"]] = slice(start, stop, op.attributes["step"])
    return inputs[0][tuple(index)]


def _select(op: Op, inputs: Sequence[Array], dims: Mapping[str, int]) -> Array:
    index: list[slice | int] = [slice(None)] * inputs[0].ndim
    index[op.attributes["axis"]] = op.attributes["index"]
    selected: Array = inputs[0][tuple(index)]
    return np.asarray(selected)  # of a vector, NumPy gives a scalar


def _cat(op: Op, inputs: Sequence[Array], dims: Mapping[str, int]) -> Array:
    return np.concatenate(inputs, axis=op.attributes["axis"])


def _flip(op: Op, inputs: Sequence[Array], dims: Mapping[str, int]) -> Array:
    return np.flip(inputs[0], op.attributes["axes"])


def _pad(op: Op, inputs: Sequence[Array], dims: Mapping[str, int]) -> Array:
    x = inputs[0]
    edges = [
        tuple(resolve(size, dims, minimum=0) for size in pair) for pair in op.attributes["padding"]
    ]
    shape = [
        before + length + after for (before, after), length in zip(edges, x.shape, strict=True)
    ]
    padded = np.full(shape, number(op, op.attributes["value"], dims, x.dtype), x.dtype)
    inside = (slice(edge[0], edge[0] + length) for edge, length in zip(edges, x.shape, strict=True))
    padded[tuple(inside)] = x
    return padded


def _gather(op: Op, inputs: Sequence[Array], dims: Mapping[str, int]) -> Array:
    x, index = inputs
    axis: int = op.attributes["axis"]
    check_range(op, index, x.shape[axis])
    return np.take_along_axis(x, index, axis)


def _index(op: Op, inputs: Sequence[Array], dims: Mapping[str, int]) -> Array:
    x, *indices = inputs
    axes = [axis % x.ndim for axis in op.attributes["axes"]]
    for axis, index in zip(axes, indices, strict=True):
        check_range(op, index, x.shape[axis], lowest=-x.shape[axis])
    picked: Array = x[(slice(None),) * axes[0] + tuple(indices)]
    return np.asarray(picked)


MOVEMENTS: Final[Mapping[str, Movement]] = {
    "view": _view,
    "permute": _permute,
    "expand": _expand,
    "slice": _slice,
    "select": _select,
    "cat": _cat,
    "flip": _flip,
    "pad": _pad,
    "gather": _gather,
    "index": _index,
}
"""One function per movement, the same keys as :data:`pimsim.workload.graph.MOVEMENT_KINDS`."""
