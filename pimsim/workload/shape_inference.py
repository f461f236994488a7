"""Derive the shape of an operation's result from the shapes of its operands.

Which question this module answers: *do the shapes that a graph declares follow from its
operations?*

Loading a workload checks every declared shape with this at the smallest and at the largest value
of each dimension, so that execution, mapping and costing can rely on them, with or without weights.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from pimsim.errors import WorkloadError
from pimsim.workload.graph import Op
from pimsim.workload.shapes import resolve, resolve_shape

Shape = tuple[int, ...]


class _MismatchError(Exception):
    """Why the operands do not go together, without the place."""


def output_shape(op: Op, shapes: Sequence[Shape], dims: Mapping[str, int]) -> Shape:
    """Return the shape of an operation's output.

    Parameters
    ----------
    op
        The operation.
    shapes
        Shapes of its inputs, in order.
    dims
        The number that each symbolic dimension stands for.

    Raises
    ------
    WorkloadError
        If the operands do not go together or an attribute names an axis that they lack; the message
        gives the reason and the shapes, not the op: the caller knows the place.

    Examples
    --------
    >>> output_shape(Op("q", "linear", ("x", "w"), ("y",)), [(2, 17, 64), (256, 64)], {})
    (2, 17, 256)
    """
    try:
        return _RULES[op.kind](op, shapes, dims)
    except _MismatchError as error:
        given = " and ".join(str(shape) for shape in shapes)
        raise WorkloadError(f"{error} (inputs are {given})") from None


def _linear(op: Op, shapes: Sequence[Shape], dims: Mapping[str, int]) -> Shape:
    x, weight, *bias = shapes
    if not x or len(weight) != 2 or x[-1] != weight[1]:
        raise _MismatchError("the weight must be (out, in) with the input's last axis as in")
    if bias and bias[0] != weight[:1]:
        raise _MismatchError("the bias must have one value per row of the weight")
    return (*x[:-1], weight[0])


def _matmul(op: Op, shapes: Sequence[Shape], dims: Mapping[str, int]) -> Shape:
    first, second = shapes
    if len(first) < 2 or len(second) < 2 or first[-1] != second[-2]:
        raise _MismatchError("the last axis of the first must equal the last but one of the second")
    return (*_broadcast(first[:-2], second[:-2]), first[-2], second[-1])


def _convolution(op: Op, shapes: Sequence[Shape], dims: Mapping[str, int]) -> Shape:
    x, weight, *bias = shapes
    groups: int = op.attributes["groups"]
    if len(x) != 4 or len(weight) != 4 or x[1] != weight[1] * groups or weight[0] % groups:
        raise _MismatchError(
            "the input must be (batch, channels, height, width) and the weight "
            f"(out, channels / {groups}, height, width), out a multiple of {groups}"
        )
    if bias and bias[0] != weight[:1]:
        raise _MismatchError("the bias must have one value per filter")
    pixels = []
    for axis in (0, 1):
        span = op.attributes["dilation"][axis] * (weight[2 + axis] - 1) + 1
        room = x[2 + axis] + 2 * op.attributes["padding"][axis] - span
        if room < 0:
            raise _MismatchError("the kernel is larger than the padded image")
        pixels.append(room // op.attributes["stride"][axis] + 1)
    return (x[0], weight[0], pixels[0], pixels[1])


def _softmax(op: Op, shapes: Sequence[Shape], dims: Mapping[str, int]) -> Shape:
    _axis(op, shapes[0])
    return shapes[0]


def _layer_norm(op: Op, shapes: Sequence[Shape], dims: Mapping[str, int]) -> Shape:
    x, gain, bias = shapes
    normalized = x[len(x) - op.attributes["normalized_axes"] :]
    if op.attributes["normalized_axes"] > len(x) or gain != normalized or bias != normalized:
        raise _MismatchError("gain and bias must have the shape of the normalized trailing axes")
    return x


def _gelu(op: Op, shapes: Sequence[Shape], dims: Mapping[str, int]) -> Shape:
    return shapes[0]


def _elementwise(op: Op, shapes: Sequence[Shape], dims: Mapping[str, int]) -> Shape:
    return shapes[0] if len(shapes) == 1 else _broadcast(shapes[0], shapes[1])


def _view(op: Op, shapes: Sequence[Shape], dims: Mapping[str, int]) -> Shape:
    shape = resolve_shape(op.attributes["shape"], dims)
    if math.prod(shape) != math.prod(shapes[0]):
        raise _MismatchError(f"a view cannot change the number of elements: {shape}")
    return shape


def _permute(op: Op, shapes: Sequence[Shape], dims: Mapping[str, int]) -> Shape:
    axes: Sequence[int] = op.attributes["axes"]
    if sorted(axes) != list(range(len(shapes[0]))):
        raise _MismatchError(f"axes must name each axis once: {list(axes)}")
    return tuple(shapes[0][axis] for axis in axes)


def _expand(op: Op, shapes: Sequence[Shape], dims: Mapping[str, int]) -> Shape:
    shape = resolve_shape(op.attributes["shape"], dims)
    if len(shape) < len(shapes[0]) or _broadcast(shapes[0], shape) != shape:
        raise _MismatchError(f"only axes of length 1 can be expanded: {shape}")
    return shape


def _slice(op: Op, shapes: Sequence[Shape], dims: Mapping[str, int]) -> Shape:
    axis = _axis(op, shapes[0])
    start, stop = (
        bound if isinstance(bound, int) else resolve(bound, dims)
        for bound in (op.attributes["start"], op.attributes["stop"])
    )
    if not start < stop <= shapes[0][axis]:
        raise _MismatchError(f"a slice needs start < stop <= length: {start}:{stop}")
    length = len(range(start, stop, op.attributes["step"]))
    return (*shapes[0][:axis], length, *shapes[0][axis + 1 :])


def _select(op: Op, shapes: Sequence[Shape], dims: Mapping[str, int]) -> Shape:
    axis = _axis(op, shapes[0])
    length = shapes[0][axis]
    if not -length <= op.attributes["index"] < length:
        raise _MismatchError(f"index {op.attributes['index']} is outside axis {axis}")
    return (*shapes[0][:axis], *shapes[0][axis + 1 :])


def _cat(op: Op, shapes: Sequence[Shape], dims: Mapping[str, int]) -> Shape:
    axis = _axis(op, shapes[0])
    first = shapes[0]
    for shape in shapes[1:]:
        if len(shape) != len(first) or any(
            length != other
            for index, (length, other) in enumerate(zip(shape, first, strict=True))
            if index != axis
        ):
            raise _MismatchError(f"all axes but axis {axis} must be equal")
    return (*first[:axis], sum(shape[axis] for shape in shapes), *first[axis + 1 :])


def _axis(op: Op, shape: Shape) -> int:
    """The attribute ``axis`` as an index from the front."""
    axis: int = op.attributes["axis"]
    if not -len(shape) <= axis < len(shape):
        raise _MismatchError(f"there is no axis {axis}")
    return axis % len(shape)


def _broadcast(first: Shape, second: Shape) -> Shape:
    rank = max(len(first), len(second))
    padded = [(1,) * (rank - len(shape)) + shape for shape in (first, second)]
    lengths = []
    for one, other in zip(*padded, strict=True):
        if one != other and 1 not in (one, other):
            raise _MismatchError("the shapes do not broadcast")
        lengths.append(max(one, other))
    return tuple(lengths)


_RULES: Final[Mapping[str, Callable[[Op, Sequence[Shape], Mapping[str, int]], Shape]]] = {
    "linear": _linear,
    "matmul": _matmul,
    "convolution": _convolution,
    "softmax": _softmax,
    "layer_norm": _layer_norm,
    "gelu": _gelu,
    "add": _elementwise,
    "mul": _elementwise,
    "view": _view,
    "permute": _permute,
    "expand": _expand,
    "slice": _slice,
    "select": _select,
    "cat": _cat,
}
"""One rule per kind, the same keys as :data:`pimsim.workload.graph.OP_KINDS`."""
