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
from pimsim.workload.graph import BINARY_KINDS, UNARY_KINDS, Op
from pimsim.workload.shapes import arange_length, resolve, resolve_number, resolve_shape

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
    rank = len(op.attributes["stride"])
    axes = "length" if rank == 1 else "height, width"
    wrong_rank = len(x) != rank + 2 or len(weight) != rank + 2
    if wrong_rank or x[1] != weight[1] * groups or weight[0] % groups:
        raise _MismatchError(
            f"the input must be (batch, channels, {axes}) and the weight "
            f"(out, channels / {groups}, {axes}), out a multiple of {groups}"
        )
    if bias and bias[0] != weight[:1]:
        raise _MismatchError("the bias must have one value per filter")
    lengths = []
    for axis in range(rank):
        span = op.attributes["dilation"][axis] * (weight[2 + axis] - 1) + 1
        room = x[2 + axis] + 2 * op.attributes["padding"][axis] - span
        if room < 0:
            raise _MismatchError("the kernel is larger than the padded image")
        lengths.append(room // op.attributes["stride"][axis] + 1)
    return (x[0], weight[0], *lengths)


def _along_axis(op: Op, shapes: Sequence[Shape], dims: Mapping[str, int]) -> Shape:
    _axis(op, shapes[0])
    return shapes[0]


def _normalization(op: Op, shapes: Sequence[Shape], dims: Mapping[str, int]) -> Shape:
    x, *stored = shapes
    count: int = op.attributes["normalized_axes"]
    if count > len(x) or any(shape != x[len(x) - count :] for shape in stored):
        names = "gain and bias" if len(stored) == 2 else "the gain"
        raise _MismatchError(f"{names} must have the shape of the normalized trailing axes")
    return x


def _rotary(op: Op, shapes: Sequence[Shape], dims: Mapping[str, int]) -> Shape:
    x, cos, sin = shapes
    if not x or x[-1] % 2:
        raise _MismatchError("the last axis must be even: its entries are rotated in pairs")
    if _broadcast(x, cos) != x or _broadcast(x, sin) != x:
        raise _MismatchError("cosine and sine must broadcast to the shape of the input")
    return x


def _embedding(op: Op, shapes: Sequence[Shape], dims: Mapping[str, int]) -> Shape:
    indices, table = shapes
    if len(table) != 2:
        raise _MismatchError("the table must be (rows, width)")
    return (*indices, table[1])


def _same(op: Op, shapes: Sequence[Shape], dims: Mapping[str, int]) -> Shape:
    return shapes[0]


def _elementwise(op: Op, shapes: Sequence[Shape], dims: Mapping[str, int]) -> Shape:
    if "scalar" in op.attributes:
        resolve_number(op.attributes["scalar"], dims)
    result, *others = shapes
    for shape in others:
        result = _broadcast(result, shape)
    return result


def _reduction(op: Op, shapes: Sequence[Shape], dims: Mapping[str, int]) -> Shape:
    return _reduced(shapes[0], _axes(op, shapes[0]), keep=op.attributes["keepdims"])


def _position(op: Op, shapes: Sequence[Shape], dims: Mapping[str, int]) -> Shape:
    return _reduced(shapes[0], (_axis(op, shapes[0]),), keep=op.attributes["keepdims"])


def _arange(op: Op, shapes: Sequence[Shape], dims: Mapping[str, int]) -> Shape:
    start, stop, step = (
        resolve_number(op.attributes[name], dims) for name in ("start", "stop", "step")
    )
    if not all(math.isfinite(number) for number in (start, stop, step)) or step == 0:
        raise _MismatchError(f"arange needs finite numbers and a step: {start}:{stop}:{step}")
    length = arange_length(start, stop, step, dims)
    if length < 1:
        raise _MismatchError(f"arange from {start} to {stop} by {step} is empty")
    return (length,)


def _full(op: Op, shapes: Sequence[Shape], dims: Mapping[str, int]) -> Shape:
    resolve_number(op.attributes["value"], dims)
    return resolve_shape(op.attributes["shape"], dims)


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
    start, stop = (resolve(op.attributes[bound], dims, minimum=0) for bound in ("start", "stop"))
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
        if not _equal_but(axis, shape, first):
            raise _MismatchError(f"all axes but axis {axis} must be equal")
    return (*first[:axis], sum(shape[axis] for shape in shapes), *first[axis + 1 :])


def _flip(op: Op, shapes: Sequence[Shape], dims: Mapping[str, int]) -> Shape:
    _axes(op, shapes[0])
    return shapes[0]


def _pad(op: Op, shapes: Sequence[Shape], dims: Mapping[str, int]) -> Shape:
    padding = op.attributes["padding"]
    if len(padding) != len(shapes[0]):
        raise _MismatchError(f"padding must hold one pair per axis, it holds {len(padding)}")
    return tuple(
        length + sum(resolve(size, dims, minimum=0) for size in pair)
        for length, pair in zip(shapes[0], padding, strict=True)
    )


def _gather(op: Op, shapes: Sequence[Shape], dims: Mapping[str, int]) -> Shape:
    x, index = shapes
    axis = _axis(op, x)
    if not _equal_but(axis, x, index):
        raise _MismatchError(f"all axes but axis {axis} must be equal")
    return index


def _index(op: Op, shapes: Sequence[Shape], dims: Mapping[str, int]) -> Shape:
    x, *indices = shapes
    axes = _axes(op, x)
    neighbours = axes == tuple(range(min(axes, default=0), min(axes, default=0) + len(axes)))
    if len(axes) != len(indices) or not neighbours:
        raise _MismatchError(
            f"each of the {len(indices)} indices needs an axis, and the axes must be neighbours in "
            f"ascending order: {list(op.attributes['axes'])}"
        )
    picked, *others = indices
    for shape in others:
        picked = _broadcast(picked, shape)
    return (*x[: axes[0]], *picked, *x[axes[-1] + 1 :])


def _axis(op: Op, shape: Shape) -> int:
    """The attribute ``axis`` as an index from the front."""
    return _from_front(op.attributes["axis"], shape)


def _axes(op: Op, shape: Shape) -> tuple[int, ...]:
    """The attribute ``axes`` as indices from the front, each once."""
    axes = tuple(_from_front(axis, shape) for axis in op.attributes["axes"])
    if len(set(axes)) != len(axes):
        raise _MismatchError(f"an axis stands twice in axes: {list(op.attributes['axes'])}")
    return axes


def _from_front(axis: int, shape: Shape) -> int:
    if not -len(shape) <= axis < len(shape):
        raise _MismatchError(f"there is no axis {axis}")
    return axis % len(shape)


def _reduced(shape: Shape, axes: Sequence[int], *, keep: bool) -> Shape:
    """Axes that are reduced stay with length 1, or vanish."""
    if keep:
        return tuple(1 if axis in axes else length for axis, length in enumerate(shape))
    return tuple(length for axis, length in enumerate(shape) if axis not in axes)


def _equal_but(axis: int, first: Shape, second: Shape) -> bool:
    """Whether two shapes agree on every axis but one."""
    return (
        len(first) == len(second)
        and first[:axis] == second[:axis]
        and first[axis + 1 :] == second[axis + 1 :]
    )


def _broadcast(first: Shape, second: Shape) -> Shape:
    if first == second:
        return first
    rank = max(len(first), len(second))
    padded = [(1,) * (rank - len(shape)) + shape for shape in (first, second)]
    lengths = []
    for one, other in zip(*padded, strict=True):
        if one != other and 1 not in (one, other):
            raise _MismatchError("the shapes do not broadcast")
        lengths.append(max(one, other))
    return tuple(lengths)


_Rule = Callable[[Op, Sequence[Shape], Mapping[str, int]], Shape]

_RULES: Final[Mapping[str, _Rule]] = {
    "linear": _linear,
    "matmul": _matmul,
    "convolution": _convolution,
    "softmax": _along_axis,
    "layer_norm": _normalization,
    "rms_norm": _normalization,
    **dict.fromkeys(("gelu", "relu", "silu", "sigmoid", "tanh"), _same),
    "rotary": _rotary,
    "mask": _elementwise,
    "embedding": _embedding,
    **dict.fromkeys(BINARY_KINDS | UNARY_KINDS | {"where"}, _elementwise),
    **dict.fromkeys(("sum", "mean", "max", "min", "any", "all"), _reduction),
    **dict.fromkeys(("argmax", "argmin"), _position),
    "cumsum": _along_axis,
    "arange": _arange,
    "full": _full,
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
"""One rule per kind, the same keys as :data:`pimsim.workload.graph.OP_KINDS`."""
