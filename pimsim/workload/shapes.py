"""Sizes that may be symbolic: ``17``, ``"batch"``, ``"seq + 1"``.

Which question this module answers: *how long is this axis at batch 8 and 512 tokens?*

A size in ``graph.json`` is an integer or an expression of dimension names, integers, ``+``, ``-``,
``*``, ``//``, ``%``, ``max(a, b)`` and ``min(a, b)``; ``//`` rounds down and ``%`` has the sign of
the divisor. Expressions are parsed into a syntax tree and checked node by node; nothing is
ever evaluated as Python.
"""

import ast
import math
from collections.abc import Mapping, Sequence
from typing import Final, final

from pimsim.errors import WorkloadError, nearest

Size = int | str
"""One axis of a tensor: a number, or an expression over the workload's dimensions."""

Number = bool | int | float | str
"""A value in the attributes of an operation: a number, or an expression as for a size."""

_MAX_EXPRESSION_CHARACTERS: Final = 200
_ALLOWED: Final = (
    "only integers, dimension names, +, -, *, // and % (not by zero), max(a, b) and min(a, b) "
    "are allowed"
)


@final
class SizeTable(dict[str, int]):
    """Numbers of the dimensions, and of each expression that was evaluated with them.

    Wherever dimensions are asked for, a plain mapping does; with this one each expression is
    parsed once, which matters when a graph of thousands of operations is checked.

    Examples
    --------
    >>> table = SizeTable(seq=16)
    >>> resolve("4 * (seq + 1)", table), table["4 * (seq + 1)"]
    (68, 68)
    """


def evaluate(expression: Size, dims: Mapping[str, int]) -> int:
    """Return the integer that an expression stands for, of any sign.

    Parameters
    ----------
    expression
        An integer or the text of an expression.
    dims
        The number that each symbolic dimension stands for.

    Raises
    ------
    WorkloadError
        If the expression uses an unknown dimension or anything that the language lacks.

    Examples
    --------
    >>> evaluate("1 - min(seq, 8)", {"seq": 16})
    -7
    """
    if isinstance(expression, int):
        return expression
    known = dims.get(expression)
    if known is not None:
        return known
    if len(expression) > _MAX_EXPRESSION_CHARACTERS:
        raise WorkloadError(
            f"size expression of {len(expression)} characters: at most "
            f"{_MAX_EXPRESSION_CHARACTERS} are allowed"
        )
    try:
        tree = ast.parse(expression.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise WorkloadError(f"size {expression!r} is not an expression: {error}") from None
    value = _evaluate(tree, expression, dims)
    if isinstance(dims, SizeTable):
        dims[expression] = value
    return value


def resolve(size: Size, dims: Mapping[str, int], *, minimum: int = 1) -> int:
    """Return the number that ``size`` stands for when the dimensions are ``dims``.

    Parameters
    ----------
    size
        An integer or the text of an expression.
    dims
        The number that each symbolic dimension stands for.
    minimum
        Smallest number allowed: an axis has at least one entry, a slice may start at 0.

    Raises
    ------
    WorkloadError
        As :func:`evaluate`, or if the number is below the minimum.

    Examples
    --------
    >>> resolve("4 * (seq + 1)", {"seq": 16})
    68
    """
    value = evaluate(size, dims)
    if value < minimum:
        needs = f"every axis needs at least {minimum}" if minimum else "it must not be negative"
        raise WorkloadError(f"size {size!r} is {value}; {needs}")
    return value


def resolve_shape(shape: Sequence[Size], dims: Mapping[str, int]) -> tuple[int, ...]:
    """Resolve every axis of a shape.

    Examples
    --------
    >>> resolve_shape(["batch", 17, 64], {"batch": 2})
    (2, 17, 64)
    """
    return tuple(resolve(size, dims) for size in shape)


def resolve_number(value: Number, dims: Mapping[str, int]) -> float:
    """Return an attribute's value: a number or truth value as it is, an expression evaluated.

    Examples
    --------
    >>> resolve_number(0.5, {}), resolve_number("seq - 1", {"seq": 16})
    (0.5, 15)
    """
    return evaluate(value, dims) if isinstance(value, str) else value


def arange_length(start: Number, stop: Number, step: Number, dims: Mapping[str, int]) -> int:
    """Count the numbers from ``start`` towards ``stop``, which is excluded.

    Zero or less where ``stop`` does not lie ahead of ``start``.

    Raises
    ------
    ZeroDivisionError
        If the step is zero.

    Examples
    --------
    >>> arange_length(0, "seq", 2, {"seq": 5})
    3
    """
    first, last, stride = (resolve_number(value, dims) for value in (start, stop, step))
    if isinstance(first, int) and isinstance(last, int) and isinstance(stride, int):
        return -((first - last) // stride)
    return math.ceil((last - first) / stride)


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
                known = filter(str.isidentifier, dims)
                raise WorkloadError(f"size {text!r}: no dimension {name!r}{nearest(name, known)}")
            return dims[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_evaluate(operand, text, dims)
        case ast.Call(func=ast.Name(id="max" | "min" as name), args=[first, second], keywords=[]):
            pair = _evaluate(first, text, dims), _evaluate(second, text, dims)
            return max(pair) if name == "max" else min(pair)
        case ast.BinOp(left=left, op=operator, right=right):
            result = _combine(operator, _evaluate(left, text, dims), _evaluate(right, text, dims))
            if result is not None:
                return result
    raise WorkloadError(f"size {text!r}: {_ALLOWED}")


def _combine(operator: ast.operator, first: int, second: int) -> int | None:
    """Apply one operator, ``None`` if the language lacks it or it divides by zero."""
    match operator:
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
    return None
