"""The table of lowerings and what they share.

Which question this module answers: *how does a lowering read the arguments of its node?*
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import torch
from torch.fx import Node

from pimsim.registry import Registry
from pimsim.workload.shapes import Number, Size
from pimsim.workload.trace_torch.emitter import Emitter, Operand
from pimsim.workload.trace_torch.places import unsupported

Lowering = Callable[[Node, Emitter], None]
"""Emits the operations that compute one node."""

LOWERINGS: Final[Registry[Lowering]] = Registry("lowering", "pimsim.lowerings")
"""Lowerings by ATen name with overload."""


def register(*names: str) -> Callable[[Lowering], Lowering]:
    """Register one lowering for several names, given without ``aten.``."""

    def decorate(lowering: Lowering) -> Lowering:
        for name in names:
            LOWERINGS.register(f"aten.{name}")(lowering)
        return lowering

    return decorate


def arguments(node: Node) -> Mapping[str, Any]:
    """Arguments by the name in the operation's schema, defaults filled in."""
    operation: Any = node.target
    schema = operation._schema  # noqa: SLF001  torch has no public accessor
    values = {a.name: a.default_value for a in schema.arguments if a.has_default_value()}
    values |= {a.name: value for a, value in zip(schema.arguments, node.args, strict=False)}
    return {**values, **node.kwargs}


def is_tensor(operand: object) -> bool:
    """Whether an argument is a node that computes a tensor, not a number."""
    return isinstance(operand, Node) and isinstance(operand.meta.get("val"), torch.Tensor)


def is_empty(operand: Node) -> bool:
    """Whether a tensor has no entries, whatever the dimensions are."""
    return any(isinstance(size, int) and size == 0 for size in operand.meta["val"].shape)


def rank(operand: Node) -> int:
    """Number of axes of a tensor."""
    axes: int = operand.meta["val"].dim()
    return axes


def is_boolean(operand: Node) -> bool:
    """Whether a tensor holds truth values."""
    return bool(operand.meta["val"].dtype == torch.bool)


def number(value: object, node: Node, emitter: Emitter) -> Number:
    """Return a number of the graph as the workload keeps it.

    A size becomes an expression.
    """
    if isinstance(value, Node):
        value = value.meta["val"]
    if isinstance(value, float):
        if value != value:  # noqa: PLR0124  only NaN is unlike itself
            raise unsupported(node, "a NaN among its arguments")
        return value
    if isinstance(value, (bool, int)):
        return value
    return emitter.size(value, node)


def sizes(values: object, node: Node, emitter: Emitter) -> tuple[Size, ...]:
    """Return a list of sizes as the workload keeps it."""
    if not isinstance(values, (list, tuple)):
        raise unsupported(node, f"{values} is no list of sizes")
    return tuple(emitter.size(value, node) for value in values)


def reshaped(
    node: Node, emitter: Emitter, operand: object, shape: tuple[Size, ...], dtype: str
) -> Operand:
    """Add a view on the way to the node's result."""
    return emitter.step(node, "view", [operand], {"shape": shape}, shape=shape, dtype=dtype)


def supported() -> str:
    """List the operations that have a lowering, and say how to add one."""
    names = ", ".join(name for name in LOWERINGS.names() if "." in name)
    return (
        f"supported: {names}\n"
        "rewrite these lines with supported operations, or add a lowering: register a function in "
        "pimsim.workload.trace_torch.LOWERINGS, or publish it as a plug-in in the entry-point "
        f"group {LOWERINGS.group!r}"
    )
