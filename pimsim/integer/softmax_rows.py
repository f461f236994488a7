"""What the integer softmax units share: rows, masks, distances to the maximum, one reciprocal.

Which question this module answers: *how do exponentials of a row become codes that sum to one?*
"""

from collections.abc import Callable
from typing import Any, Final, Literal

import numpy as np
from jaxtyping import Bool, Int
from numpy.typing import NDArray

from pimsim.errors import ModelRangeError
from pimsim.integer.codes import check_codes, check_constant, new_rows, row_blocks, signed_dtype
from pimsim.integer.hardware import Operation, OperationCounts, division_cycles
from pimsim.integer.units import UnitOutput

LARGEST_INPUT_BITS: Final = 32
LARGEST_OUTPUT_BITS: Final = 15

Rounding = Literal["truncate", "half_up"]
Keep = NDArray[np.bool_] | None
"""Of a matrix of rows, ``False`` where an element is masked; ``None``: all kept."""
RowWork = Callable[[np.ndarray, Keep, np.ndarray], int]
"""From a block of logits and its mask into its codes; returns how many saturated."""


def check_widths(*, input_bits: int, output_bits: int, rounding: str) -> None:
    """Refuse widths and roundings that no softmax unit has.

    Raises
    ------
    ModelRangeError
        If one is out of range.
    """
    check_constant("input_bits", input_bits, smallest=2, largest=LARGEST_INPUT_BITS)
    check_constant("output_bits", output_bits, smallest=1, largest=LARGEST_OUTPUT_BITS)
    if rounding not in ("truncate", "half_up"):
        raise ModelRangeError(f"rounding must be 'truncate' or 'half_up', got {rounding!r}")


def softmax_rows(
    logits: Int[np.ndarray, "*rows length"],
    keep: Bool[np.ndarray, "..."] | None,
    work: RowWork,
    *,
    input_bits: int,
    code_bits: int,
    maximum_row_length: int,
) -> UnitOutput:
    """Do ``work`` on blocks of rows.

    Parameters
    ----------
    logits
        Codes of ``input_bits``; rows along the last axis.
    keep
        ``False`` where an element is masked; broadcast to the logits' shape.
    work
        What the unit does with a block.
    input_bits
        Width of a logit with its sign. [bit]
    code_bits
        Width of the result with its sign. [bit]
    maximum_row_length
        Longest row for which no register of the unit overflows.

    Raises
    ------
    TypeError
        If ``logits`` is not of a signed integer type, or ``keep`` not boolean.
    ModelRangeError
        If a row is too long, or a logit wider than ``input_bits``.
    """
    check_codes("logits", logits, bits=input_bits)
    length = logits.shape[-1]
    if length > maximum_row_length:
        raise ModelRangeError(
            f"a softmax row must have at most {maximum_row_length} elements, got {length}"
        )
    source, result, result_rows = new_rows(logits, signed_dtype(code_bits))
    kept = None if keep is None else keep_rows(keep, logits.shape)
    saturations = 0
    for block in row_blocks(*source.shape):
        saturations += work(
            source[block], None if kept is None else kept[block], result_rows[block]
        )
    return UnitOutput(result, saturations)


def distances_to_maximum(logits: np.ndarray, keep: Keep) -> NDArray[np.int64]:
    """Distance of each logit to the maximum of the row's kept ones; 0 or more, masked ones too."""
    if keep is None:
        maxima = logits.max(axis=-1, keepdims=True)
    else:
        lowest = np.iinfo(logits.dtype).min
        maxima = logits.max(axis=-1, keepdims=True, where=keep, initial=lowest)
    distance: NDArray[np.int64] = np.subtract(maxima, logits, dtype=np.int64)
    # A masked logit may lie above the maximum of the kept ones.
    np.maximum(distance, 0, out=distance)
    return distance


def normalize_by_factor(
    exponentials: NDArray[np.int64],
    result: np.ndarray,
    *,
    numerator: int,
    factor_exponent: int,
    output_bits: int,
    rounding: Rounding,
) -> int:
    """Scale each row to sum to one, store the codes, return how many saturated.

    Parameters
    ----------
    exponentials
        0 where masked; overwritten.
    result
        Where the codes go.
    numerator
        The row's factor is ``floor(numerator / sum)``.
    factor_exponent
        What the numerator stands for: ``2**factor_exponent``, or just less.
    output_bits, rounding
        As the units declare them.
    """
    total = exponentials.sum(axis=-1, keepdims=True)
    np.maximum(total, 1, out=total)  # a row that is masked throughout
    exponentials *= numerator // total
    places = factor_exponent - output_bits
    if rounding == "half_up":
        exponentials += 1 << (places - 1)
    exponentials >>= places
    return store_limited(exponentials, result, output_bits=output_bits)


def store_limited(codes: NDArray[np.int64], result: np.ndarray, *, output_bits: int) -> int:
    """Store codes, none above ``2**output_bits - 1``, and return how many were."""
    largest = (1 << output_bits) - 1
    saturations = int(np.count_nonzero(codes > largest))
    np.minimum(codes, largest, out=codes)
    result[...] = codes
    return saturations


def normalization_operations(
    *, factor_exponent: int, factor_bits: int, output_bits: int, rounding: Rounding
) -> OperationCounts:
    """Operations on one element of :func:`normalize_by_factor`."""
    rounder = () if rounding == "truncate" else ((Operation("add", factor_exponent + 1), 1),)
    return (
        (Operation("add", factor_exponent), 1),  # running sum
        (Operation("multiply", factor_bits), 1),  # by the row's factor
        *rounder,
        (Operation("compare", output_bits + 1), 1),  # saturation
    )


def factor_cycles(factor_bits: int) -> int:
    """Serial cycles of the row's one division."""
    return division_cycles(factor_bits)


def keep_rows(keep: Any, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return a mask as a matrix of rows, broadcast to ``shape``.

    Raises
    ------
    TypeError
        If ``keep`` is not a boolean array.
    """
    if not isinstance(keep, np.ndarray) or keep.dtype != np.bool_:
        found = keep.dtype if isinstance(keep, np.ndarray) else type(keep).__name__
        raise TypeError(f"keep must be a boolean NumPy array, got {found}")
    return np.broadcast_to(keep, shape).reshape(-1, shape[-1])
