"""Lower reductions along axes.

Which question this module answers: *over which axes is this summed, averaged or searched?*
"""

import math
from typing import Any, Final

from torch.fx import Node

from pimsim.workload.shapes import Size
from pimsim.workload.trace_torch.emitter import Emitter, Operand
from pimsim.workload.trace_torch.lowerings.table import arguments, rank, register
from pimsim.workload.trace_torch.places import unsupported

_KINDS: Final = {"amax": "max", "amin": "min"}


@register("sum.default", "sum.dim_IntList", "mean.default", "mean.dim")
@register("amax.default", "amin.default", "max.default", "min.default")
@register("any.default", "any.dim", "any.dims", "all.default", "all.dim", "all.dims")
def _reduction(node: Node, emitter: Emitter) -> None:
    given = arguments(node)
    x = given["self"]
    name = str(node.target).split(".")[1]
    kind = _KINDS.get(name, name)
    if rank(x) == 0:
        emitter.alias(node, x)
        return
    attributes = {"axes": _axes(given.get("dim"), rank(x)), "keepdims": bool(given.get("keepdim"))}
    emitter.emit(node, kind, [x], attributes)


def _axes(given: Any, axes: int) -> tuple[int, ...]:
    if given is None or given == []:
        return tuple(range(axes))
    chosen = [given] if isinstance(given, int) else given
    return tuple(sorted(axis % axes for axis in chosen))


@register("argmax.default", "argmin.default")
def _index_reduction(node: Node, emitter: Emitter) -> None:
    given = arguments(node)
    kind = str(node.target).split(".")[1]
    x, axis = given["self"], given["dim"]
    if axis is None:
        raise unsupported(node, "an index into the flattened tensor; give dim")
    attributes = {"axis": axis % rank(x), "keepdims": given["keepdim"]}
    emitter.emit(node, kind, [x], attributes)


@register("max.dim", "min.dim")
def _extreme(node: Node, emitter: Emitter) -> None:
    """Both results, the value and where it is; one that is not used is dropped later."""
    given = arguments(node)
    kind = str(node.target).split(".")[1]
    x, keepdims = given["self"], given["keepdim"]
    axis = given["dim"] % rank(x)
    shape: tuple[Size, ...] = tuple(emitter.size(size, node) for size in node.meta["val"][0].shape)
    reduced = {"axes": (axis,), "keepdims": keepdims}
    found = {"axis": axis, "keepdims": keepdims}
    value = emitter.step(node, kind, [x], reduced, shape=shape, dtype=emitter.dtype(x))
    index = emitter.step(node, f"arg{kind}", [x], found, shape=shape, dtype="int64")
    emitter.parts(node, (value, index))


@register("cumsum.default")
def _cumsum(node: Node, emitter: Emitter) -> None:
    given = arguments(node)
    emitter.emit(node, "cumsum", [given["self"]], {"axis": given["dim"] % rank(node)})


@register("var.correction", "var_mean.correction")
def _variance(node: Node, emitter: Emitter) -> None:
    """Mean of the squared deviations, times ``n / (n - correction)``; then perhaps the mean too."""
    given = arguments(node)
    x: Node = given["self"]
    axes = _axes(given["dim"], rank(x))
    lengths = [x.meta["val"].shape[axis] for axis in axes]
    correction = 1 if given["correction"] is None else given["correction"]
    if correction and not all(isinstance(length, int) for length in lengths):
        raise unsupported(node, "a variance with correction over an axis of dynamic length")
    full: tuple[Size, ...] = emitter.shape(x)
    kept = tuple(1 if axis in axes else size for axis, size in enumerate(full))
    attributes = {"axes": axes, "keepdims": True}
    mean = emitter.step(node, "mean", [x], attributes, shape=kept, dtype="float32")
    deviation = emitter.step(node, "sub", [x, mean], shape=full, dtype="float32")
    square = emitter.step(node, "mul", [deviation, deviation], shape=full, dtype="float32")
    variance: Operand = emitter.step(
        node, "mean", [square], attributes, shape=kept, dtype="float32"
    )
    if correction:
        factor = math.prod(lengths) / (math.prod(lengths) - correction)
        scalar = {"scalar": factor}
        variance = emitter.step(node, "mul", [variance], scalar, shape=kept, dtype="float32")
    results = node.meta["val"]
    first = results[0] if isinstance(results, (tuple, list)) else results
    shape: tuple[Size, ...] = tuple(emitter.size(size, node) for size in first.shape)
    parts = [variance, mean]
    if shape != kept:
        parts = [
            emitter.step(node, "view", [part], {"shape": shape}, shape=shape, dtype="float32")
            for part in parts
        ]
    if isinstance(results, (tuple, list)):
        emitter.parts(node, parts)
    else:
        emitter.alias(node, parts[0])


@register("linalg_vector_norm.default")
def _vector_norm(node: Node, emitter: Emitter) -> None:
    given = arguments(node)
    x: Operand = given["self"]
    order = float(given["ord"])
    axes = _axes(given["dim"], rank(given["self"]))
    attributes = {"axes": axes, "keepdims": given["keepdim"]}
    size = emitter.step(node, "abs", [x], shape=emitter.shape(x))
    if order == float("inf"):
        emitter.emit(node, "max", [size], attributes)
    elif order == 1.0:
        emitter.emit(node, "sum", [size], attributes)
    elif order == 2.0:
        square = emitter.step(node, "mul", [x, x], shape=emitter.shape(x))
        emitter.emit(node, "sqrt", [emitter.step(node, "sum", [square], attributes)])
    else:
        raise unsupported(node, f"the norm of order {order:g}; 1, 2 and infinity are lowered")
