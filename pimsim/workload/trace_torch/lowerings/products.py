"""Lower products: linear layers, matrix products and convolutions.

Which question this module answers: *which product has a stored weight, and which two operands?*

A product whose second operand is a parameter, or follows from parameters only, is a ``linear``
with the weight stored ``(out, in)``; any other product is a ``matmul``.
"""

from typing import Any

from torch.fx import Node

from pimsim.workload.trace_torch.emitter import Emitter, Operand
from pimsim.workload.trace_torch.lowerings.table import arguments, rank, register, reshaped
from pimsim.workload.trace_torch.places import unsupported


@register("linear.default")
def _linear(node: Node, emitter: Emitter) -> None:
    given = arguments(node)
    x, weight, bias = given["input"], given["weight"], given["bias"]
    if rank(weight) != 2:
        raise unsupported(node, "a weight vector; write the product as a sum, or as a matrix")
    if rank(x) < 2:
        _linear_of_vector(node, emitter)
    elif emitter.is_static(weight) and (bias is None or emitter.is_static(bias)):
        emitter.emit(node, "linear", [x, weight] if bias is None else [x, weight, bias])
    elif bias is None:
        _multiply(node, emitter, x, _transposed(node, emitter, weight))
    else:
        product = _contract(node, emitter, x, _transposed(node, emitter, weight))
        emitter.emit(node, "add", [product, bias])


def _linear_of_vector(node: Node, emitter: Emitter) -> None:
    given = arguments(node)
    operands = [value for value in (given["weight"], given["bias"]) if value is not None]
    dtype = emitter.dtype(node)
    row = reshaped(node, emitter, given["input"], (1, *emitter.shape(given["input"])), dtype)
    shape = (1, *emitter.shape(node))
    product = emitter.step(node, "linear", [row, *operands], shape=shape)
    emitter.emit(node, "view", [product], {"shape": emitter.shape(node)})


@register("addmm.default", "baddbmm.default")
def _addmm(node: Node, emitter: Emitter) -> None:
    given = arguments(node)
    first, second = (
        (given["mat1"], given["mat2"]) if "mat1" in given else (given["batch1"], given["batch2"])
    )
    bias = given["self"]
    if given["alpha"] != 1 or given["beta"] != 1:
        raise unsupported(node, f"factors alpha = {given['alpha']} and beta = {given['beta']}")
    stored = emitter.is_static(second) and emitter.is_static(bias)
    if stored and rank(second) == 2 and emitter.shape(bias) == emitter.shape(second)[1:]:
        emitter.emit(node, "linear", [first, _transposed(node, emitter, second), bias])
    else:
        emitter.emit(node, "add", [_contract(node, emitter, first, second), bias])


@register("matmul.default", "mm.default", "bmm.default", "mv.default", "dot.default")
def _matmul(node: Node, emitter: Emitter) -> None:
    first, second = node.args
    if not isinstance(first, Node) or not isinstance(second, Node):
        raise unsupported(node, "an operand that is not a tensor")
    if rank(first) >= 2 and rank(second) >= 2:
        _multiply(node, emitter, first, second)
        return
    dtype = emitter.dtype(node)
    a: Operand = first
    b: Operand = second
    if rank(first) == 1:
        a = reshaped(node, emitter, first, (1, *emitter.shape(first)), dtype)
    if rank(second) == 1:
        b = reshaped(node, emitter, second, (*emitter.shape(second), 1), dtype)
    product = _contract(node, emitter, a, b)
    emitter.emit(node, "view", [product], {"shape": emitter.shape(node)})


def _multiply(node: Node, emitter: Emitter, first: Operand, second: Operand) -> None:
    """Let the product of two matrices be the node's result."""
    kind, operands = _operands(node, emitter, first, second)
    emitter.emit(node, kind, operands)


def _contract(node: Node, emitter: Emitter, first: Operand, second: Operand) -> Operand:
    """Multiply two matrices on the way to the node's result."""
    kind, operands = _operands(node, emitter, first, second)
    one, other = emitter.shape(first), emitter.shape(second)
    longest = max(len(one), len(other))
    filled = [(1,) * (longest - len(shape)) + shape for shape in (one, other)]
    leading = [b if a == 1 else a for a, b in zip(*filled, strict=True)][:-2]
    shape = (*leading, one[-2], other[-1])
    return emitter.step(node, kind, operands, shape=shape)


def _operands(
    node: Node, emitter: Emitter, first: Operand, second: Operand
) -> tuple[str, list[Operand]]:
    """Kind and operands of a product: linear where the second is one stored matrix."""
    shape = emitter.shape(second)
    single = all(size == 1 for size in shape[:-2])
    if not emitter.is_static(second) or not single or len(emitter.shape(first)) < len(shape):
        return "matmul", [first, second]
    if len(shape) > 2:
        second = reshaped(node, emitter, second, shape[-2:], emitter.dtype(second))
    return "linear", [first, _transposed(node, emitter, second)]


def _transposed(node: Node, emitter: Emitter, matrix: Operand) -> Operand:
    rows, columns = emitter.shape(matrix)
    return emitter.step(
        node,
        "permute",
        [matrix],
        {"axes": (1, 0)},
        shape=(columns, rows),
        dtype=emitter.dtype(matrix),
    )


@register("convolution.default")
def _convolution(node: Node, emitter: Emitter) -> None:
    given = arguments(node)
    axes = rank(node) - 2
    if given["transposed"] or axes not in (1, 2):
        raise unsupported(node, "only 1-D and 2-D convolutions that are not transposed are lowered")
    operands = [given[name] for name in ("input", "weight", "bias") if given[name] is not None]
    attributes: dict[str, Any] = {}
    for name in ("stride", "padding", "dilation"):
        values = given[name]
        attributes[name] = tuple(values) if len(values) == axes else (values[0],) * axes
    emitter.emit(node, "convolution", operands, {**attributes, "groups": given["groups"]})
