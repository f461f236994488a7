"""Lower data movement: views, permutations, slices and joins.

Which question this module answers: *where does each value go, unchanged?*
"""

import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch.fx import Node

from pimsim.workload.shapes import Size
from pimsim.workload.trace_torch.emitter import Emitter, Operand
from pimsim.workload.trace_torch.lowerings.table import (
    LOWERINGS,
    arguments,
    is_empty,
    rank,
    register,
    reshaped,
    sizes,
)
from pimsim.workload.trace_torch.places import unsupported


@register(
    "view.default",
    "_unsafe_view.default",
    "reshape.default",
    "unsqueeze.default",
    "squeeze.default",
    "squeeze.dim",
    "squeeze.dims",
)
def _view(node: Node, emitter: Emitter) -> None:
    emitter.emit(node, "view", node.args[:1], {"shape": emitter.shape(node)})


@register("permute.default")
def _permute(node: Node, emitter: Emitter) -> None:
    axes = tuple(axis % rank(node) for axis in arguments(node)["dims"])
    emitter.emit(node, "permute", node.args[:1], {"axes": axes})


@register("transpose.int")
def _transpose(node: Node, emitter: Emitter) -> None:
    given = arguments(node)
    axes = list(range(rank(node)))
    first, second = given["dim0"] % len(axes), given["dim1"] % len(axes)
    axes[first], axes[second] = axes[second], axes[first]
    emitter.emit(node, "permute", node.args[:1], {"axes": tuple(axes)})


@register("t.default")
def _matrix_transpose(node: Node, emitter: Emitter) -> None:
    axes = tuple(reversed(range(rank(node))))
    emitter.emit(node, "permute", node.args[:1], {"axes": axes})


@register("expand.default")
def _expand(node: Node, emitter: Emitter) -> None:
    emitter.emit(node, "expand", node.args[:1], {"shape": emitter.shape(node)})


@register("repeat.default")
def _repeat(node: Node, emitter: Emitter) -> None:
    """Insert an axis before each repeated one, expand it and merge the two."""
    given = arguments(node)
    x: Operand = given["self"]
    repeats = sizes(given["repeats"], node, emitter)
    shape = (1,) * (len(repeats) - rank(given["self"])) + emitter.shape(x)
    if all(times == 1 or size == 1 for times, size in zip(repeats, shape, strict=True)):
        emitter.emit(node, "expand", [x], {"shape": emitter.shape(node)})
        return
    split = tuple(part for size in shape for part in (1, size))
    apart = reshaped(node, emitter, x, split, emitter.dtype(node))
    wide: tuple[Size, ...] = tuple(
        part for pair in zip(repeats, shape, strict=True) for part in pair
    )
    copied = emitter.step(node, "expand", [apart], {"shape": wide}, shape=wide)
    emitter.emit(node, "view", [copied], {"shape": emitter.shape(node)})


@register("slice.Tensor")
def _slice(node: Node, emitter: Emitter) -> None:
    given = arguments(node)
    axis, step = given["dim"] % rank(node), given["step"]
    length = given["self"].meta["val"].shape[axis]
    start = _from_front(_value(given["start"]), length)
    taken = node.meta["val"].shape[axis]
    if isinstance(length, int) and isinstance(start, int):
        start = min(start, length)
    if step == 1 and isinstance(given["end"], Node) and isinstance(taken, torch.SymInt):
        end = emitter.size(_from_front(_value(given["end"]), length), node)
        emitter.define(taken, f"({end} - {emitter.size(start, node)})")
    stop = start + taken if step == 1 else start + (taken - 1) * step + 1
    if isinstance(start, int) and start == 0 and step == 1 and _same(taken, length):
        emitter.alias(node, given["self"])
        return
    bounds = {"start": emitter.size(start, node), "stop": emitter.size(stop, node), "step": step}
    emitter.emit(node, "slice", [given["self"]], {"axis": axis, **bounds})


def _value(bound: Any) -> Any:
    if isinstance(bound, Node):
        return bound.meta["val"]
    return 0 if bound is None else bound


def _from_front(start: Any, length: Any) -> Any:
    """Count a bound from the front; a symbolic one is negative if its leading term is."""
    if isinstance(start, int):
        if start >= 0:
            return start
        return max(start + length, 0) if isinstance(length, int) else length + start
    negative: bool = start.node.expr.could_extract_minus_sign()
    return length + start if negative else start


def _same(first: Any, second: Any) -> bool:
    """Whether two sizes are equal for all values of the dimensions, as far as is known."""
    if isinstance(first, torch.SymInt) and isinstance(second, torch.SymInt):
        return bool(first.node.expr == second.node.expr)
    return isinstance(first, int) and isinstance(second, int) and first == second


@register("select.int")
def _select(node: Node, emitter: Emitter) -> None:
    given = arguments(node)
    axis = given["dim"] % (rank(node) + 1)
    if not isinstance(given["index"], int):
        raise unsupported(node, "selection by a computed index")
    emitter.emit(node, "select", [given["self"]], {"axis": axis, "index": given["index"]})


@register("cat.default")
def _cat(node: Node, emitter: Emitter) -> None:
    given = arguments(node)
    axes = rank(node)
    tensors = [tensor for tensor in given["tensors"] if not is_empty(tensor)]
    if len(tensors) == 1:
        emitter.alias(node, tensors[0])
    else:
        emitter.emit(node, "cat", tensors, {"axis": given["dim"] % axes})


@register("split_with_sizes.default")
def _split(node: Node, emitter: Emitter) -> None:
    given = arguments(node)
    results = node.meta["val"]
    axis = given["dim"] % results[0].dim()
    parts: list[Operand] = []
    start: Any = 0
    for result in results:
        stop = start + result.shape[axis]
        bounds = {"start": emitter.size(start, node), "stop": emitter.size(stop, node), "step": 1}
        shape = tuple(emitter.size(size, node) for size in result.shape)
        dtype = emitter.dtype(given["self"])
        attributes = {"axis": axis, **bounds}
        parts.append(
            emitter.step(node, "slice", [given["self"]], attributes, shape=shape, dtype=dtype)
        )
        start = stop
    emitter.parts(node, parts)


def _part(node: Node, emitter: Emitter) -> None:
    source, index = node.args
    if not isinstance(source, Node) or not isinstance(index, int):
        raise unsupported(node, "a part of something that is not a list of tensors")
    emitter.alias(node, emitter.part(source, index))


LOWERINGS.register(str(operator.getitem))(_part)


@register("flip.default")
def _flip(node: Node, emitter: Emitter) -> None:
    axes = tuple(sorted(axis % rank(node) for axis in arguments(node)["dims"]))
    emitter.emit(node, "flip", node.args[:1], {"axes": axes})


@register("constant_pad_nd.default")
def _pad(node: Node, emitter: Emitter) -> None:
    """Padding may be negative, which cuts: pad first, then slice."""
    given = arguments(node)
    x: Operand = given["self"]
    pairs = _pairs(given["pad"], rank(node))
    grown = tuple((max(low, 0), max(high, 0)) for low, high in pairs)
    cuts = [
        (axis, -min(low, 0), -min(high, 0))
        for axis, (low, high) in enumerate(pairs)
        if low < 0 or high < 0
    ]
    attributes = {"padding": grown, "value": float(given["value"])}
    if emitter.dtype(node) != "float32":
        convert = bool if emitter.dtype(node) == "bool" else int
        attributes["value"] = convert(given["value"])
    if not cuts:
        emitter.emit(node, "pad", [x], attributes)
        return
    shape: list[Any] = [
        length + low + high
        for length, (low, high) in zip(given["self"].meta["val"].shape, grown, strict=True)
    ]
    if any(low or high for low, high in grown):
        x = emitter.step(node, "pad", [x], attributes, shape=sizes(shape, node, emitter))
    for axis, low, high in cuts:
        stop = emitter.size(shape[axis] - high, node)
        shape[axis] = shape[axis] - low - high
        bounds = {"axis": axis, "start": low, "stop": stop, "step": 1}
        x = emitter.step(node, "slice", [x], bounds, shape=sizes(shape, node, emitter))
    emitter.alias(node, x)


def _pairs(padding: Sequence[int], axes: int) -> list[tuple[int, int]]:
    """Padding of each axis from the front; PyTorch counts from the last axis."""
    pairs = [(padding[i], padding[i + 1]) for i in range(0, len(padding), 2)]
    return [(0, 0)] * (axes - len(pairs)) + pairs[::-1]


@register("as_strided.default")
def _as_strided(node: Node, emitter: Emitter) -> None:
    """A view in memory order; PyTorch asks for it where it knows the strides of a result."""
    given = arguments(node)
    lengths = [_value(length) for length in given["size"]]
    steps = [_value(step) for step in given["stride"]]
    stride: Any = 1
    for length, step in zip(reversed(lengths), reversed(steps), strict=True):
        if not _same(length, 1) and not _same(step, stride):
            raise unsupported(node, "a view that does not go through memory in order")
        stride = stride * length
    if given["storage_offset"] or not _same(stride, given["self"].meta["val"].numel()):
        raise unsupported(node, "a view of a part of the memory")
    _view(node, emitter)


@register("copy.default")
def _copy(node: Node, emitter: Emitter) -> None:
    """The values of the second operand in the form of the first."""
    source = node.args[1]
    if not isinstance(source, Node):
        raise unsupported(node, "a copy of something that is not a tensor")
    value: Operand = source
    if emitter.dtype(source) != emitter.dtype(node):
        value = emitter.step(node, "cast", [source], shape=emitter.shape(source))
    if emitter.shape(source) == emitter.shape(node):
        emitter.alias(node, value)
    else:
        emitter.emit(node, "expand", [value], {"shape": emitter.shape(node)})


@register(
    "clone.default",
    "contiguous.default",
    "alias.default",
    "detach.default",
    "lift_fresh_copy.default",
    "lift_fresh.default",
)
def _alias(node: Node, emitter: Emitter) -> None:
    emitter.alias(node, node.args[0])
