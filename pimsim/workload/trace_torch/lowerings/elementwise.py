"""Lower arithmetic, comparisons, logic and selection, element by element.

Which question this module answers: *which digital operation is this?*
"""

import math
from collections.abc import Mapping
from typing import Any, Final

import torch
from torch.fx import Node

from pimsim.workload.trace_torch.emitter import Emitter, Operand, element_type
from pimsim.workload.trace_torch.lowerings.table import (
    arguments,
    is_boolean,
    is_tensor,
    number,
    register,
)
from pimsim.workload.trace_torch.places import unsupported

_COMPARISONS: Final = ("eq", "ne", "lt", "le", "gt", "ge")
_UNARY: Final = (
    "sqrt", "rsqrt", "exp", "log", "neg", "abs", "sin", "cos", "erf", "floor", "ceil", "sign",
    "logical_not",
)  # fmt: skip
_BITWISE: Final[Mapping[str, str]] = {
    "bitwise_and": "logical_and",
    "bitwise_or": "logical_or",
    "bitwise_xor": "logical_xor",
    "bitwise_not": "logical_not",
}


def _overloads(*names: str) -> tuple[str, ...]:
    return tuple(f"{name}.{overload}" for name in names for overload in ("Tensor", "Scalar"))


def _name(node: Node) -> str:
    return str(node.target).split(".")[1]


def binary(node: Node, emitter: Emitter, kind: str, first: object, second: object) -> None:
    """Emit an operation of two operands, either of which may be a number."""
    emitter.emit(node, kind, *_pair(node, emitter, first, second))


def _step(node: Node, emitter: Emitter, kind: str, first: object, second: object) -> Operand:
    return emitter.step(node, kind, *_pair(node, emitter, first, second))


def _pair(
    node: Node, emitter: Emitter, first: object, second: object
) -> tuple[list[object], dict[str, Any]]:
    """Operands, and the attributes that hold the number among them."""
    if not _is_number(second):
        if not _is_number(first):
            return [first, second], {}
        return [second], {"scalar": number(first, node, emitter), "reverse": True}
    return [first], {"scalar": number(second, node, emitter)}


def _is_number(operand: object) -> bool:
    return isinstance(operand, (bool, int, float)) or (
        isinstance(operand, Node) and not is_tensor(operand)
    )


@register(*_overloads("mul", "remainder", *_COMPARISONS), "remainder.Scalar_Tensor")
def _binary(node: Node, emitter: Emitter) -> None:
    given = arguments(node)
    binary(node, emitter, _name(node), given["self"], given["other"])


@register("minimum.default", "maximum.default")
@register("logical_and.default", "logical_or.default", "logical_xor.default")
def _binary_of_tensors(node: Node, emitter: Emitter) -> None:
    emitter.emit(node, _name(node), node.args[:2])


@register(*_overloads("add", "sub", "rsub"))
def _sum(node: Node, emitter: Emitter) -> None:
    given = arguments(node)
    kind, alpha = _name(node), given.get("alpha", 1)
    first, second = given["self"], given["other"]
    if kind == "rsub":
        kind, first, second = "sub", second, first
        if alpha != 1:
            first, alpha = _scaled(node, emitter, first, alpha), 1
            if not is_tensor(given["other"]):
                raise unsupported(node, f"a number times alpha = {given['alpha']}")
    if alpha != 1:
        second = _scaled(node, emitter, second, alpha)
    if is_tensor(given["self"]) and is_boolean(given["self"]) and is_boolean(node):
        kind = "logical_or" if kind == "add" else kind  # PyTorch adds truth values with "or"
    binary(node, emitter, kind, first, second)


def _scaled(node: Node, emitter: Emitter, operand: Any, factor: float) -> Any:
    if isinstance(operand, (int, float)):
        return operand * factor
    if not is_tensor(operand):
        raise unsupported(node, f"a size times alpha = {factor}")
    return emitter.step(node, "mul", [operand], {"scalar": factor}, shape=emitter.shape(operand))


@register(*_overloads("div"), "div.Tensor_mode", "div.Scalar_mode")
def _division(node: Node, emitter: Emitter) -> None:
    given = arguments(node)
    mode, first, second = given.get("rounding_mode"), given["self"], given["other"]
    if mode is None:
        binary(node, emitter, "div", first, second)
    elif mode == "floor":
        binary(node, emitter, "floor_divide", first, second)
    else:
        quotient = emitter.step(node, "div", *_pair(node, emitter, first, second), dtype="float32")
        _truncate(node, emitter, quotient)


@register("floor_divide.default", "floor_divide.Scalar")
def _floor_divide(node: Node, emitter: Emitter) -> None:
    given = arguments(node)
    binary(node, emitter, "floor_divide", given["self"], given["other"])


@register("reciprocal.default")
def _reciprocal(node: Node, emitter: Emitter) -> None:
    binary(node, emitter, "div", 1.0, node.args[0])


@register("pow.Tensor_Scalar", "pow.Tensor_Tensor", "pow.Scalar")
def _power(node: Node, emitter: Emitter) -> None:
    given = arguments(node)
    binary(node, emitter, "pow", given["self"], given["exponent"])


@register(*(f"{name}.default" for name in _UNARY))
def _unary(node: Node, emitter: Emitter) -> None:
    emitter.emit(node, _name(node), node.args[:1])


@register("round.default")
def _round(node: Node, emitter: Emitter) -> None:
    emitter.emit(node, "round", node.args[:1])


@register("trunc.default")
def _trunc(node: Node, emitter: Emitter) -> None:
    _truncate(node, emitter, node.args[0])


def _truncate(node: Node, emitter: Emitter, x: Any) -> None:
    """Round towards zero: the sign times the floor of the size."""
    size = emitter.step(node, "abs", [x], dtype="float32")
    whole = emitter.step(node, "floor", [size], dtype="float32")
    sign = emitter.step(node, "sign", [x], dtype="float32")
    if emitter.dtype(node) == "float32":
        emitter.emit(node, "mul", [whole, sign])
        return
    signed = emitter.step(node, "mul", [whole, sign], dtype="float32")
    emitter.emit(node, "cast", [signed])


@register("fmod.Tensor", "fmod.Scalar")
def _fmod(node: Node, emitter: Emitter) -> None:
    """Remainder with the sign of the dividend: that of the sizes, signed."""
    given = arguments(node)
    size = emitter.step(node, "abs", [given["self"]], shape=emitter.shape(given["self"]))
    other: Any = given["other"]
    if is_tensor(other):
        other = emitter.step(node, "abs", [other], shape=emitter.shape(other))
    elif not isinstance(other, Node):
        other = abs(other)  # a size, the other kind of number, is positive
    rest = _step(node, emitter, "remainder", size, other)
    sign = emitter.step(node, "sign", [given["self"]], shape=emitter.shape(given["self"]))
    emitter.emit(node, "mul", [rest, sign])


@register("log1p.default")
def _log1p(node: Node, emitter: Emitter) -> None:
    emitter.emit(node, "log", [_step(node, emitter, "add", node.args[0], 1.0)])


@register("expm1.default")
def _expm1(node: Node, emitter: Emitter) -> None:
    exponential = emitter.step(node, "exp", node.args[:1])
    emitter.emit(node, "sub", [exponential], {"scalar": 1.0})


@register("log2.default", "log10.default")
def _logarithm(node: Node, emitter: Emitter) -> None:
    base = 2.0 if _name(node) == "log2" else 10.0
    natural = emitter.step(node, "log", node.args[:1])
    emitter.emit(node, "mul", [natural], {"scalar": 1.0 / math.log(base)})


@register("exp2.default")
def _exp2(node: Node, emitter: Emitter) -> None:
    binary(node, emitter, "pow", 2.0, node.args[0])


@register("tan.default")
def _tan(node: Node, emitter: Emitter) -> None:
    sine = emitter.step(node, "sin", node.args[:1])
    emitter.emit(node, "div", [sine, emitter.step(node, "cos", node.args[:1])])


@register("isnan.default")
def _isnan(node: Node, emitter: Emitter) -> None:
    emitter.emit(node, "ne", [node.args[0], node.args[0]])


@register(*_overloads("bitwise_and", "bitwise_or", "bitwise_xor"), "bitwise_not.default")
def _bitwise(node: Node, emitter: Emitter) -> None:
    if not is_boolean(node):
        raise unsupported(node, "bits of integers; only truth values are combined")
    kind = _BITWISE[_name(node)]
    if kind == "logical_not":
        emitter.emit(node, kind, node.args[:1])
    else:
        binary(node, emitter, kind, node.args[0], node.args[1])


@register("where.self")
def _where(node: Node, emitter: Emitter) -> None:
    emitter.emit(node, "where", node.args[:3])


@register("_to_copy.default", "to.dtype", "to.dtype_layout", "to.device")
def _cast(node: Node, emitter: Emitter) -> None:
    """Casts between floating types vanish: the workload knows one of them."""
    source = node.args[0]
    if not isinstance(source, Node):
        raise unsupported(node, "a cast of something that is not a tensor")
    if emitter.dtype(source) == emitter.dtype(node):
        emitter.alias(node, source)
    else:
        emitter.emit(node, "cast", [source])


@register("view.dtype")
def _reinterpret(node: Node, emitter: Emitter) -> None:
    found: torch.dtype = node.meta["val"].dtype
    raise unsupported(node, f"bits read as {element_type(found, node)}")
