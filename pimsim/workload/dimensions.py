"""A workload at fixed sizes: symbolic dimensions replaced by numbers, without PyTorch.

Which question this module answers: *what is this graph at batch 8 and 512 tokens, and is it allowed
there?*

:func:`fix` writes the numbers into every shape and attribute. The fixed dimensions stay in ``dims``
with equal bounds, so that a manifest can tell them. What limits a size, besides the bounds of the
trace, are the tables that positions look up: :mod:`pimsim.workload.limits`.
"""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

from pimsim.errors import WorkloadError
from pimsim.workload.graph import Op, Samples, TensorSpec, Workload
from pimsim.workload.shapes import Size

SIZE_ATTRIBUTES: Final = frozenset({"shape", "start", "stop", "step", "scalar", "value", "padding"})
"""Attributes that may hold size expressions."""

_FOLDED: Final = {"max": max, "min": min}


def substitute(size: Size, values: Mapping[str, Size]) -> Size:
    """Replace dimensions of an expression; what becomes a number is one.

    Parameters
    ----------
    size
        A number or an expression of :mod:`pimsim.workload.shapes`.
    values
        Dimension to its number, or to another expression.

    Examples
    --------
    >>> substitute("batch * (seq + 1)", {"seq": 16}), substitute("seq - 1", {"seq": 16})
    ('batch * 17', 15)
    >>> substitute("batch * seq", {"seq": 1})
    'batch'
    """
    return size if isinstance(size, int) else _substituted_text(size, tuple(values.items()))


@lru_cache(maxsize=4096)
def _substituted_text(text: str, values: tuple[tuple[str, Size], ...]) -> Size:
    """Parse an expression once, however many axes have it."""
    tree = _Substitution(dict(values)).visit(ast.parse(text, mode="eval").body)
    number = _number(tree)
    return ast.unparse(tree) if number is None else number


def substitute_shape(shape: Sequence[Size], values: Mapping[str, Size]) -> tuple[Size, ...]:
    """Replace dimensions in every axis of a shape."""
    return tuple(substitute(size, values) for size in shape)


def substitute_attributes(
    attributes: Mapping[str, Any], values: Mapping[str, Size]
) -> dict[str, Any]:
    """Replace dimensions in the attributes of an operation that hold sizes."""
    return {
        name: _substituted(value, values) if name in SIZE_ATTRIBUTES else value
        for name, value in attributes.items()
    }


def fix(workload: Workload, sizes: Mapping[str, int]) -> Workload:
    """Return the workload at the given sizes; dimensions that are not named stay symbolic.

    Parameters
    ----------
    workload
        With or without weights.
    sizes
        Dimension to number.

    Returns
    -------
    Workload
        The same graph, numbers in place of the fixed dimensions, which keep an entry in ``dims``
        with both bounds equal. Samples stay if they have the fixed sizes and are left out
        otherwise.

    Raises
    ------
    WorkloadError
        If a dimension is unknown, outside what the trace allows, or more than a table of the model
        has rows for; the message names the value and what limits it.
    """
    from pimsim.workload.limits import check_limits

    workload.bind(**sizes)
    check_limits(workload, sizes)
    return replace(fixed_graph(workload, sizes), samples=_fitting(workload, sizes))


def fixed_graph(workload: Workload, sizes: Mapping[str, int]) -> Workload:
    """Write the sizes into shapes and attributes, without any check; samples are left out."""
    return replace(
        workload,
        dims={
            name: (sizes[name], sizes[name]) if name in sizes else bounds
            for name, bounds in workload.dims.items()
        },
        tensors={name: _fixed(spec, sizes) for name, spec in workload.tensors.items()},
        ops=tuple(_fixed_op(op, sizes) for op in workload.ops),
        samples=None,
    )


def _fixed(spec: TensorSpec, sizes: Mapping[str, int]) -> TensorSpec:
    if not any(isinstance(size, str) for size in spec.shape):
        return spec
    return replace(spec, shape=substitute_shape(spec.shape, sizes))


def _fixed_op(op: Op, sizes: Mapping[str, int]) -> Op:
    if SIZE_ATTRIBUTES.isdisjoint(op.attributes):
        return op
    return replace(op, attributes=substitute_attributes(op.attributes, sizes))


def _fitting(workload: Workload, sizes: Mapping[str, int]) -> Samples | None:
    """The samples, if every set of them has the fixed sizes; a set may be missing."""
    from pimsim.workload.reference import bind_inputs

    samples = workload.samples
    if samples is None:
        return None
    for arrays in (samples.calibration, samples.evaluation):
        if not arrays:
            continue
        found = bind_inputs(workload, [arrays[name] for name in workload.inputs])
        if any(found[name] != size for name, size in sizes.items()):
            return None
    return samples


def _substituted(value: Any, values: Mapping[str, Size]) -> Any:
    if isinstance(value, str):
        return substitute(value, values)
    if isinstance(value, (tuple, list)):
        return tuple(_substituted(item, values) for item in value)
    return value


class _Substitution(ast.NodeTransformer):
    """Put expressions in place of names and fold what has become constant."""

    def __init__(self, values: Mapping[str, Size]) -> None:
        self.values = values

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id not in self.values:
            return node
        return ast.parse(str(self.values[node.id]), mode="eval").body

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        left: ast.expr = self.visit(node.left)
        right: ast.expr = self.visit(node.right)
        first, second = _number(left), _number(right)
        if first is not None and second is not None:
            return _constant(_operate(node, first, second))
        if isinstance(node.op, ast.Mult) and 1 in (first, second):
            return right if first == 1 else left
        if isinstance(node.op, ast.FloorDiv) and second == 1:
            return left
        return ast.BinOp(left, node.op, right)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        arguments = [self.visit(argument) for argument in node.args]
        numbers = [_number(argument) for argument in arguments]
        if isinstance(node.func, ast.Name) and node.func.id in _FOLDED:
            known = [number for number in numbers if number is not None]
            if len(known) == len(numbers):
                return _constant(_FOLDED[node.func.id](known))
        return ast.Call(node.func, arguments, [])


def _operate(node: ast.BinOp, first: int, second: int) -> int:
    match node.op:
        case ast.Add():
            return first + second
        case ast.Sub():
            return first - second
        case ast.Mult():
            return first * second
        case ast.FloorDiv() if second != 0:
            return first // second
        case ast.Mod() if second != 0:
            return first % second
    raise WorkloadError(f"size {ast.unparse(node)!r} cannot be evaluated; trace the model again")


def _number(node: ast.expr) -> int | None:
    """The integer that a node is; the language has no signs, so -2 is written 0 - 2."""
    match node:
        case ast.Constant(value=int(value)):
            return value
        case ast.BinOp(ast.Constant(value=0), ast.Sub(), ast.Constant(value=int(value))):
            return -value
    return None


def _constant(value: int) -> ast.expr:
    if value >= 0:
        return ast.Constant(value)
    return ast.BinOp(ast.Constant(0), ast.Sub(), ast.Constant(-value))
