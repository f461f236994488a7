"""Element types of operands and results, by PyTorch's rules.

Which question this module answers: *in which element type is this operation computed?*

A computation runs in the element type that the graph declares for its result. Comparisons, logical
operations and index reductions, whose result says nothing about that, run in the type that their
operands promote to: truth values below integers below floating point; within one category the
wider type; an array of rank 0, and still less a bare number, widens only when its category is
higher (PyTorch documentation, "Tensor Attributes", section torch.dtype, type promotion).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pimsim.errors import WorkloadError
from pimsim.workload.graph import FUNCTION_KINDS, MOVEMENT_KINDS, Op

DType = np.dtype[Any]

FLOAT: Final[DType] = np.dtype(np.float32)
INTEGER: Final[DType] = np.dtype(np.int64)
BOOL: Final[DType] = np.dtype(np.bool_)

COMPARISON_KINDS: Final = frozenset({"eq", "ne", "lt", "le", "gt", "ge"})
LOGICAL_KINDS: Final = frozenset(
    {"logical_and", "logical_or", "logical_xor", "logical_not", "any", "all"}
)
INDEX_REDUCTION_KINDS: Final = frozenset({"argmax", "argmin"})
FLOATING_KINDS: Final = (FUNCTION_KINDS - {"relu", "mask", "embedding"}) | frozenset(
    {"div", "mean", "sqrt", "rsqrt", "exp", "log", "sin", "cos", "erf"}
)
"""Kinds whose result is floating point, whatever the operands are."""

_COUNTING_KINDS: Final = frozenset({"sum", "cumsum"})
_CATEGORIES: Final[Mapping[str, int]] = {"b": 0, "u": 1, "i": 1, "f": 2}


def promoted(operands: Sequence[NDArray[Any]], number: float | None = None) -> DType:
    """Return the element type in which operands meet.

    Parameters
    ----------
    operands
        Arrays; those of rank 0 count for less.
    number
        A number that is the other operand, if there is one.

    Examples
    --------
    >>> promoted([np.zeros(3, np.int64)], 0.5), promoted([np.zeros(3, np.int8)], 7)
    (dtype('float32'), dtype('int8'))
    """
    arrays = _widest([x.dtype for x in operands if x.ndim])
    single = _widest([x.dtype for x in operands if not x.ndim])
    bare = None if number is None else number_type(number)
    met = _higher(arrays, _higher(single, bare))
    return FLOAT if met is None else met


def number_type(number: float) -> DType:
    """Return the element type that PyTorch gives a bare number or truth value."""
    if isinstance(number, bool):
        return BOOL
    return INTEGER if isinstance(number, int) else FLOAT


def natural_type(op: Op, operands: Sequence[NDArray[Any]], numbers: Sequence[float]) -> DType:
    """Return the element type that PyTorch gives a result unless it is asked for another one.

    Parameters
    ----------
    op
        Any operation but a cast, which has no type of its own.
    operands
        Its inputs.
    numbers
        Values of the attributes that enter the result.

    Raises
    ------
    WorkloadError
        For a cast.
    """
    if op.kind == "cast":
        raise WorkloadError(f"op {op.name!r}: a cast needs the element type of its result")
    if op.kind in COMPARISON_KINDS or op.kind in LOGICAL_KINDS:
        return BOOL
    if op.kind in INDEX_REDUCTION_KINDS:
        return INTEGER
    values = [x for position, x in enumerate(operands) if _is_value(op, position)]
    number = max(numbers, key=lambda value: _CATEGORIES[number_type(value).kind], default=None)
    dtype = promoted(values, number)
    if op.kind in FLOATING_KINDS and dtype.kind != "f":
        return FLOAT
    if op.kind in _COUNTING_KINDS and dtype.kind != "f":
        return INTEGER
    return dtype


def _is_value(op: Op, position: int) -> bool:
    """Whether an operand's values, not only its order or truth, reach the result."""
    if op.kind in MOVEMENT_KINDS:
        return position == 0 or op.kind == "cat"
    if op.kind == "embedding":
        return position == 1
    if op.kind == "mask":
        return position == 0
    return op.kind != "where" or position > 0


def _widest(types: Sequence[DType]) -> DType | None:
    result: DType | None = None
    for dtype in types:
        if result is None:
            result = dtype
        elif (dtype.kind == "f") == (result.kind == "f"):
            result = np.promote_types(result, dtype)
        elif dtype.kind == "f":
            result = dtype  # NumPy would widen float32 and int64 to float64; PyTorch does not
    return result


def _higher(first: DType | None, second: DType | None) -> DType | None:
    """``first``, unless ``second`` is of a higher category."""
    if first is None:
        return second
    if second is None or _CATEGORIES[second.kind] <= _CATEGORIES[first.kind]:
        return first
    return second
