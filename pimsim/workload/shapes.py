"""Sizes that may be symbolic: ``17``, ``"batch"``, ``"seq + 1"``.

Which question this module answers: *how long is this axis at batch 8 and 512 tokens?*

A size in ``graph.json`` is an integer or an expression of dimension names, integers, ``+``, ``-``,
``*`` and ``//``. Expressions are parsed into a syntax tree and checked node by node; nothing is
ever evaluated as Python.
"""

import ast
import math
from collections.abc import Mapping, Sequence
from typing import Final

from pimsim.errors import WorkloadError, nearest

Size = int | str
"""One axis of a tensor: a number, or an expression over the workload's dimensions."""

_MAX_EXPRESSION_CHARACTERS: Final = 200


def resolve(size: Size, dims: Mapping[str, int]) -> int:
    """Return the number that ``size`` stands for when the dimensions are ``dims``.

    Raises
    ------
    WorkloadError
        If the expression uses an unknown dimension or anything but ``+ - * //``, or if the
        result is not a positive integer.

    Examples
    --------
    >>> resolve("4 * (seq + 1)", {"seq": 16})
    68
    """
    if isinstance(size, int):
        value = size
    else:
        if len(size) > _MAX_EXPRESSION_CHARACTERS:
            raise WorkloadError(
                f"size expression of {len(size)} characters: at most "
                f"{_MAX_EXPRESSION_CHARACTERS} are allowed"
            )
        try:
            tree = ast.parse(size, mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise WorkloadError(f"size {size!r} is not an expression: {error}") from None
        value = _evaluate(tree, size, dims)
    if value < 1:
        raise WorkloadError(f"size {size!r} is {value}; every axis needs at least 1")
    return value


def resolve_shape(shape: Sequence[Size], dims: Mapping[str, int]) -> tuple[int, ...]:
    """Resolve every axis of a shape.

    Examples
    --------
    >>> resolve_shape(["batch", 17, 64], {"batch": 2})
    (2, 17, 64)
    """
    return tuple(resolve(size, dims) for size in shape)


def elements(shape: Sequence[Size], dims: Mapping[str, int]) -> int:
    """Count the elements of a tensor of this shape.

    Examples
    --------
    >>> elements(["batch", 17, 64], {"batch": 2})
    2176
    """
    return math.prod(resolve_shape(shape, dims))


def _evaluate(node: ast.expr, text: str, dims: Mapping[str, int]) -> int:
    match node:
        case ast.Constant(value=int(value)) if not isinstance(node.value, bool):
            return value
        case ast.Name(id=name):
            if name not in dims:
                raise WorkloadError(f"size {text!r}: no dimension {name!r}{nearest(name, dims)}")
            return dims[name]
        case ast.BinOp(left=left, op=operator, right=right):
            first, second = _evaluate(left, text, dims), _evaluate(right, text, dims)
            match operator:
                case ast.Add():
                    return first + second
                case ast.Sub():
                    return first - second
                case ast.Mult():
                    return first * second
                case ast.FloorDiv() if second != 0:
                    return first // second
    raise WorkloadError(
        f"size {text!r}: only integers, dimension names, +, -, * and // (not by zero) are allowed"
    )
