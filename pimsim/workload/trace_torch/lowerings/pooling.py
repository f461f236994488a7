"""Lower pooling over windows of an image.

Which question this module answers: *what is the largest, or the mean, of each window?*

A window of ``k`` by ``l`` pixels becomes ``k * l`` strided slices that are joined element by
element, so that pooling is digital work and never a product with a made-up weight.
"""

import math
from collections.abc import Sequence
from typing import Any

from torch.fx import Node

from pimsim.workload.trace_torch.emitter import Emitter, Operand
from pimsim.workload.trace_torch.lowerings.table import arguments, register, sizes
from pimsim.workload.trace_torch.places import unsupported


@register("avg_pool2d.default")
def _mean(node: Node, emitter: Emitter) -> None:
    given = arguments(node)
    padded = any(given["padding"])
    if given["ceil_mode"] or (padded and not given["count_include_pad"]):
        raise unsupported(node, "windows that reach over the edge; use ceil_mode=False, no padding")
    height, width = _pair(given["kernel_size"])
    total = _joined(node, emitter, "add", 0.0)
    divisor = given["divisor_override"] or height * width
    emitter.emit(node, "mul", [total], {"scalar": 1.0 / divisor})


@register("max_pool2d_with_indices.default")
def _largest(node: Node, emitter: Emitter) -> None:
    if arguments(node)["ceil_mode"]:
        raise unsupported(node, "windows that reach over the edge; use ceil_mode=False")
    if any(user.args[1] != 0 for user in node.users):
        raise unsupported(node, "the positions of the largest pixels; only their values")
    emitter.parts(node, [_joined(node, emitter, "maximum", -math.inf)])


def _joined(node: Node, emitter: Emitter, kind: str, edge: float) -> Operand:
    """Join the strided slices of all window positions."""
    given = arguments(node)
    kernel = _pair(given["kernel_size"])
    stride = _pair(given["stride"] or given["kernel_size"])
    padding, dilation = _pair(given["padding"]), _pair(given.get("dilation", 1))
    shape = sizes(tuple(_result(node).shape), node, emitter)
    x = _padded(node, emitter, given["self"], padding, edge)
    joined: Operand | None = None
    for row in range(kernel[0]):
        for column in range(kernel[1]):
            starts = (row * dilation[0], column * dilation[1])
            pixels = _strided(node, emitter, x, tuple(zip(starts, stride, strict=True)))
            joined = (
                pixels
                if joined is None
                else emitter.step(node, kind, [joined, pixels], shape=shape, dtype="float32")
            )
    if joined is None:
        raise unsupported(node, "an empty window")
    return joined


def _padded(node: Node, emitter: Emitter, x: Node, padding: Sequence[int], edge: float) -> Operand:
    if not any(padding):
        return x
    pairs = ((0, 0),) * (x.meta["val"].dim() - 2) + tuple((width, width) for width in padding)
    shape = [
        length + low + high for length, (low, high) in zip(x.meta["val"].shape, pairs, strict=True)
    ]
    attributes = {"padding": pairs, "value": edge}
    return emitter.step(
        node, "pad", [x], attributes, shape=sizes(shape, node, emitter), dtype="float32"
    )


def _strided(node: Node, emitter: Emitter, x: Operand, steps: Sequence[tuple[int, int]]) -> Operand:
    """Pixels at one position of every window; ``steps`` holds start and stride of each axis."""
    lengths = _result(node).shape
    shape = list(emitter.shape(x))
    for (start, step), axis in zip(steps, (-2, -1), strict=True):
        stop = emitter.size(start + (lengths[axis] - 1) * step + 1, node)
        shape[axis] = emitter.size(lengths[axis], node)
        bounds = {"axis": axis, "start": start, "stop": stop, "step": step}
        x = emitter.step(node, "slice", [x], bounds, shape=shape, dtype="float32")
    return x


def _result(node: Node) -> Any:
    """The pooled image; some operations return positions as well."""
    value = node.meta["val"]
    return value[0] if isinstance(value, tuple) else value


def _pair(values: Any) -> tuple[int, int]:
    """One number stands for both axes."""
    numbers = [values] if isinstance(values, int) else list(values)
    return (numbers[0], numbers[-1])
