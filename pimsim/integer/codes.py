"""Integer codes: which array may enter a unit, and in which type results leave it.

Which question this module answers: *is this array of integers one that the unit's registers hold?*

A code of ``bits`` bits is a two's complement integer in ``[-2**(bits - 1), 2**(bits - 1) - 1]``,
kept in the smallest signed NumPy type that holds it. Units take signed types only and check the
declared width; they never cast for the caller.
"""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from jaxtyping import Int
from numpy.typing import DTypeLike

from pimsim.errors import ModelRangeError

ACCUMULATOR_BITS: Final = 48
"""Widest accumulator that a unit accepts: times a 15-bit multiplier it still fits 63 bits."""

_BLOCK_ELEMENTS: Final = 1 << 15
"""Elements worked on at a time: 256 KiB per 64-bit temporary, so that they stay in the cache."""


def signed_range(bits: int, *, symmetric: bool = False) -> tuple[int, int]:
    """Smallest and largest code of ``bits`` bits.

    Parameters
    ----------
    bits
        Width with the sign. [bit]
    symmetric
        Leave out the most negative code, which sign-magnitude operands cannot express.

    Examples
    --------
    >>> signed_range(8), signed_range(8, symmetric=True)
    ((-128, 127), (-127, 127))
    """
    largest = (1 << (bits - 1)) - 1
    return (-largest if symmetric else -largest - 1), largest


def signed_dtype(bits: int) -> type[np.signedinteger[Any]]:
    """Return the smallest signed NumPy type that holds ``bits`` bits.

    Examples
    --------
    >>> [signed_dtype(bits).__name__ for bits in (7, 8, 9, 17)]
    ['int8', 'int8', 'int16', 'int32']
    """
    if bits <= 8:
        return np.int8
    if bits <= 16:
        return np.int16
    return np.int32 if bits <= 32 else np.int64


def check_codes(name: str, codes: Int[np.ndarray, "*rows length"], *, bits: int) -> None:
    """Refuse an array that is not made of ``bits``-bit codes.

    Parameters
    ----------
    name
        What the unit calls the array, for the message.
    codes
        Any array; at least one axis, and not empty along the last.
    bits
        Declared width with the sign. [bit]

    Raises
    ------
    TypeError
        If ``codes`` is no NumPy array of a signed integer type.
    ValueError
        If ``codes`` has no axis, or rows of no element.
    ModelRangeError
        If a value does not fit ``bits`` bits.
    """
    if not isinstance(codes, np.ndarray) or not np.issubdtype(codes.dtype, np.signedinteger):
        found = codes.dtype if isinstance(codes, np.ndarray) else type(codes).__name__
        raise TypeError(
            f"{name} must be a NumPy array of a signed integer type, got {found}; "
            "integer units never cast for the caller"
        )
    if codes.ndim == 0 or codes.shape[-1] == 0:
        raise ValueError(f"{name} must have rows of at least one element, got shape {codes.shape}")
    smallest, largest = signed_range(bits)
    if codes.size == 0 or np.iinfo(codes.dtype).max <= largest:
        return
    found_smallest, found_largest = int(codes.min()), int(codes.max())
    if found_smallest < smallest or found_largest > largest:
        raise ModelRangeError(
            f"{name} must fit {bits} bits, [{smallest}, {largest}], got values in "
            f"[{found_smallest}, {found_largest}]; widen the unit or requantize before it"
        )


def check_constant(name: str, value: int, *, smallest: int, largest: int) -> None:
    """Refuse a constant that a unit's register does not hold.

    Raises
    ------
    TypeError
        If ``value`` is no Python ``int`` (a ``bool`` is none here).
    ModelRangeError
        If it lies outside ``[smallest, largest]``.
    """
    if type(value) is not int:
        raise TypeError(f"{name} must be an int, got {type(value).__name__} {value!r}")
    if not smallest <= value <= largest:
        raise ModelRangeError(f"{name} must be in [{smallest}, {largest}], got {value}")


def new_rows(
    codes: Int[np.ndarray, "*rows length"], dtype: DTypeLike
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return ``codes`` as a matrix of rows, and an empty result with its view of the same form.

    Returns
    -------
    source
        ``codes`` as ``(rows, length)``; a copy only where the memory layout asks for one.
    result
        New array of ``codes``'s shape and type ``dtype``, not yet filled.
    result_rows
        ``result`` as ``(rows, length)``; writing it fills ``result``.
    """
    length = codes.shape[-1]
    rows = codes.size // length
    result = np.empty(codes.shape, dtype=dtype)
    return codes.reshape(rows, length), result, result.reshape(rows, length)


def row_blocks(rows: int, length: int) -> Iterator[slice]:
    """Cut ``rows`` rows into runs small enough for 64-bit temporaries to stay in the cache."""
    step = max(1, _BLOCK_ELEMENTS // length)
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))
