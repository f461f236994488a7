"""Dyadic requantization: from a wide accumulator to a narrow code with one integer multiplication.

Which question this module answers: *which code does an accumulator become on another scale, and
which code is the sum of two tensors on different scales?*

A ratio of real scales is approximated by a dyadic number ``multiplier / 2**shift`` with a 15-bit
multiplier [1]_, so that changing the scale costs one multiplication, one addition and one shift.
From a ratio ``r = scale_in / scale_out`` the constants are::

    shift      = 14 - floor(log2(r))
    multiplier = round(r * 2**shift)          # in [2**14, 2**15]
    if multiplier == 2**15: multiplier, shift = 2**14, shift - 1

which holds ``r`` to a relative 2**-15, for ``2**-48 < r < 2**15`` (``shift`` in ``[0, 62]``).

Results round half away from zero, as a symmetric rounder in hardware does, and saturate; the
number of saturated codes is returned with them.

References
----------
.. [1] S. Kim et al., I-BERT: Integer-only BERT Quantization, ICML 2021, arXiv:2101.01321,
   section 3 (dyadic numbers for requantization).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, final

import numpy as np
from jaxtyping import Int
from numpy.typing import NDArray

from pimsim.errors import ModelRangeError
from pimsim.integer.codes import (
    ACCUMULATOR_BITS,
    check_codes,
    check_constant,
    new_rows,
    row_blocks,
    signed_dtype,
    signed_range,
)
from pimsim.integer.hardware import Operation, UnitHardware
from pimsim.integer.units import UnitOutput

MULTIPLIER_BITS: Final = 15
LARGEST_SHIFT: Final = 62
LARGEST_OUTPUT_BITS: Final = 32
_SHIFT_REGISTER_BITS: Final = 6
_ADD_OPERAND_BITS: Final = 32
_ADD_LARGEST_SHIFT: Final = 61
_ADD_ALIGNED_BITS: Final = 47
"""Operand width plus alignment: two products of it and the rounding term fit 63 bits."""

PerChannel = int | Sequence[int] | NDArray[np.signedinteger[Any]]
"""One constant for all elements, or one for each element of a row."""
Constants = int | tuple[int, ...]
"""The same as part of a frozen, hashable unit."""


def requantize(
    acc: Int[np.ndarray, "*rows length"],
    multiplier: PerChannel,
    shift: PerChannel,
    *,
    bits: int,
    symmetric: bool = False,
) -> UnitOutput:
    """Scale by ``multiplier / 2**shift``, round half away from zero, saturate to ``bits`` bits.

    Parameters
    ----------
    acc
        Accumulators, at most 48 bits wide with the sign, in any signed integer type.
    multiplier
        ``0 < multiplier < 2**15``; one, or one for each element of the last axis (per channel).
    shift
        ``0 <= shift <= 62``; one, or one per channel.
    bits
        Width of the result with its sign, 2 to 32. [bit]
    symmetric
        Saturate to ``±(2**(bits - 1) - 1)``, for operands in sign and magnitude.

    Returns
    -------
    UnitOutput
        Codes in the smallest signed type for ``bits``, and how many of them saturated.

    Raises
    ------
    TypeError
        If an array is not of a signed integer type, or a constant not an integer.
    ValueError
        If a per-channel constant has another length than the last axis.
    ModelRangeError
        If an accumulator, a multiplier, a shift or ``bits`` is out of range.

    Notes
    -----
    A 48-bit accumulator times a 15-bit multiplier plus ``2**(shift - 1)`` stays below
    ``2**62 + 2**61``: 64-bit arithmetic is exact.

    Examples
    --------
    >>> requantize(np.array([5, -5, 4000], dtype=np.int32), 1 << 14, 15, bits=8)
    UnitOutput(values=array([  3,  -3, 127], dtype=int8), saturations=1)
    """
    check_codes("acc", acc, bits=ACCUMULATOR_BITS)
    _check_output_bits(bits)
    length = acc.shape[-1]
    factor = _constant("multiplier", multiplier, length, 1, (1 << MULTIPLIER_BITS) - 1)
    places = _constant("shift", shift, length, 0, LARGEST_SHIFT)
    source, result, result_rows = new_rows(acc, signed_dtype(bits))
    saturations = 0
    for block in row_blocks(*source.shape):
        product = np.multiply(source[block], factor, dtype=np.int64)
        _round_shift(product, places)
        saturations += _saturate(product, result_rows[block], bits=bits, symmetric=symmetric)
    return UnitOutput(result, saturations)


def add_requantized(
    a: Int[np.ndarray, "*rows length"],
    b: Int[np.ndarray, "*rows length"],
    multipliers: tuple[PerChannel, PerChannel],
    shifts: tuple[PerChannel, PerChannel],
    *,
    bits: int,
    symmetric: bool = False,
) -> UnitOutput:
    """Add two tensors on different scales, with one rounding: a residual connection.

    The result is ``saturate(round(a * m_a / 2**s_a + b * m_b / 2**s_b))``, rounding half away from
    zero. Each operand has a dyadic ratio to the output's scale; the product with the smaller shift
    is moved left to the larger one, so the sum is exact before it is rounded once.

    Parameters
    ----------
    a, b
        Operands of at most 32 bits, broadcast against each other.
    multipliers, shifts
        ``(m_a, m_b)`` and ``(s_a, s_b)``, each one constant or one per channel, in the ranges of
        :func:`requantize`, but shifts of at most 61.
    bits, symmetric
        As in :func:`requantize`.

    Raises
    ------
    TypeError, ValueError, ModelRangeError
        As in :func:`requantize`; ``ModelRangeError`` also where the width of an operand's type plus
        its alignment ``max(s_a, s_b) - s`` exceeds 47 bits.

    Examples
    --------
    >>> a, b = np.array([3, -3], dtype=np.int16), np.array([100, -100], dtype=np.int32)
    >>> add_requantized(a, b, (1 << 14, 1 << 14), (14, 16), bits=16).values
    array([ 28, -28], dtype=int16)
    """
    _check_output_bits(bits)
    for name, operand in (("a", a), ("b", b)):
        check_codes(name, operand, bits=_ADD_OPERAND_BITS)
    a_rows, b_rows = np.broadcast_arrays(a, b)
    length = a_rows.shape[-1]
    factors = [
        _constant("multiplier", multiplier, length, 1, (1 << MULTIPLIER_BITS) - 1)
        for multiplier in multipliers
    ]
    places = [_constant("shift", shift, length, 0, _ADD_LARGEST_SHIFT) for shift in shifts]
    common = np.maximum(places[0], places[1])
    total = np.multiply(a_rows, factors[0], dtype=np.int64)
    total <<= _alignment("a", a, common, places[0])
    term = np.multiply(b_rows, factors[1], dtype=np.int64)
    term <<= _alignment("b", b, common, places[1])
    total += term
    _round_shift(total, common)
    result = np.empty(total.shape, dtype=signed_dtype(bits))
    return UnitOutput(result, _saturate(total, result, bits=bits, symmetric=symmetric))


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class DyadicRequantize:
    """A unit that applies :func:`requantize` with constants of its own.

    Parameters
    ----------
    multiplier, shift
        One constant, or a tuple with one per channel.
    input_bits
        Width of the accumulator with its sign, 2 to 48; wider values are refused. [bit]
    output_bits
        Width of the result with its sign, 2 to 32. [bit]
    symmetric
        Leave out the most negative code.

    Examples
    --------
    >>> unit = DyadicRequantize(multiplier=1 << 14, shift=15, input_bits=32, output_bits=8)
    >>> unit(np.array([[5, -5, 4000]], dtype=np.int32)).values
    array([[  3,  -3, 127]], dtype=int8)
    """

    name: ClassVar[str] = "dyadic_requantize"

    multiplier: Constants
    shift: Constants
    input_bits: int
    output_bits: int
    symmetric: bool = False

    def __post_init__(self) -> None:
        check_constant("input_bits", self.input_bits, smallest=2, largest=ACCUMULATOR_BITS)
        _check_output_bits(self.output_bits)
        _check_constants("multiplier", self.multiplier, 1, (1 << MULTIPLIER_BITS) - 1)
        _check_constants("shift", self.shift, 0, LARGEST_SHIFT)

    def __call__(self, acc: Int[np.ndarray, "*rows length"]) -> UnitOutput:
        """Requantize rows of accumulators; see :func:`requantize`."""
        check_codes("acc", acc, bits=self.input_bits)
        return requantize(
            acc, self.multiplier, self.shift, bits=self.output_bits, symmetric=self.symmetric
        )

    @property
    def hardware(self) -> UnitHardware:
        """One multiplier, a rounding adder, a shifter and two limit comparators in each lane."""
        product_bits = self.input_bits + MULTIPLIER_BITS
        return UnitHardware(
            passes=1,
            per_element=(
                (Operation("multiply", self.input_bits), 1),
                (Operation("add", product_bits), 2),  # half an output step, and its sign
                (Operation("shift", product_bits), 1),
                (Operation("compare", product_bits), 2),
            ),
            per_row=(),
            serial_cycles_per_row=0,
            pipeline_depth_cycles=4,
            table_bits=_table_bits(self.multiplier, self.shift),
            maximum_row_length=None,
        )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class DyadicAdd:
    """A unit that applies :func:`add_requantized` with constants of its own.

    Parameters
    ----------
    multipliers, shifts
        A pair each, for the first and the second operand: one constant, or a tuple per channel.
    input_bits
        Widths of the two operands with their signs, 2 to 32; wider values are refused. [bit]
    output_bits
        Width of the result with its sign, 2 to 32. [bit]
    symmetric
        Leave out the most negative code.

    Examples
    --------
    >>> unit = DyadicAdd(
    ...     multipliers=(1 << 14, 1 << 14), shifts=(14, 16), input_bits=(16, 32), output_bits=16)
    >>> a, b = np.array([3, -3], dtype=np.int16), np.array([100, -100], dtype=np.int32)
    >>> unit(a, b).values
    array([ 28, -28], dtype=int16)
    """

    name: ClassVar[str] = "dyadic_add"

    multipliers: tuple[Constants, Constants]
    shifts: tuple[Constants, Constants]
    input_bits: tuple[int, int]
    output_bits: int
    symmetric: bool = False

    def __post_init__(self) -> None:
        _check_output_bits(self.output_bits)
        for bits in self.input_bits:
            check_constant("input_bits", bits, smallest=2, largest=_ADD_OPERAND_BITS)
        for multiplier in self.multipliers:
            _check_constants("multiplier", multiplier, 1, (1 << MULTIPLIER_BITS) - 1)
        for shift in self.shifts:
            _check_constants("shift", shift, 0, _ADD_LARGEST_SHIFT)

    def __call__(
        self, a: Int[np.ndarray, "*rows length"], b: Int[np.ndarray, "*rows length"]
    ) -> UnitOutput:
        """Add rows of two operands; see :func:`add_requantized`."""
        check_codes("a", a, bits=self.input_bits[0])
        check_codes("b", b, bits=self.input_bits[1])
        return add_requantized(
            a, b, self.multipliers, self.shifts, bits=self.output_bits, symmetric=self.symmetric
        )

    @property
    def hardware(self) -> UnitHardware:
        """Two multipliers, an alignment shifter, the sum, and one rounder in each lane."""
        sum_bits = _ADD_ALIGNED_BITS + MULTIPLIER_BITS
        return UnitHardware(
            passes=1,
            per_element=(
                (Operation("multiply", self.input_bits[0]), 1),
                (Operation("multiply", self.input_bits[1]), 1),
                (Operation("add", sum_bits), 3),  # the sum, half an output step, and its sign
                (Operation("shift", sum_bits), 2),  # alignment, and the shift to the output
                (Operation("compare", sum_bits), 2),
            ),
            per_row=(),
            serial_cycles_per_row=0,
            pipeline_depth_cycles=5,
            table_bits=sum(map(_table_bits, self.multipliers, self.shifts)),
            maximum_row_length=None,
        )


def _round_shift(product: NDArray[np.int64], shift: NDArray[np.int64]) -> None:
    """Divide by ``2**shift`` in place, rounding half away from zero.

    With ``half = 2**(shift - 1)`` this is ``floor((p + half) / 2**shift)`` for ``p >= 0`` and
    ``floor((p + half - 1) / 2**shift)`` for ``p < 0``; ``p >> 63`` supplies the ``-1``.
    """
    sign = product >> 63
    sign &= -(shift > 0).astype(np.int64)  # a shift by 0 rounds nothing
    product += sign
    product += (np.int64(1) << shift) >> 1
    product >>= shift


def _saturate(exact: NDArray[np.int64], result: np.ndarray, *, bits: int, symmetric: bool) -> int:
    smallest, largest = signed_range(bits, symmetric=symmetric)
    limited = np.clip(exact, smallest, largest)
    result[...] = limited
    return int(np.count_nonzero(limited != exact))


def _alignment(
    name: str, operand: np.ndarray, common: NDArray[np.int64], own: NDArray[np.int64]
) -> NDArray[np.int64]:
    alignment: NDArray[np.int64] = common - own
    operand_bits = min(8 * operand.dtype.itemsize, _ADD_OPERAND_BITS)
    widest = operand_bits + int(alignment.max())
    if widest > _ADD_ALIGNED_BITS:
        raise ModelRangeError(
            f"operand {name} of {operand_bits} bits would be moved left by {int(alignment.max())} "
            f"bits to the other operand's shift; {_ADD_ALIGNED_BITS} bits in all are allowed: "
            "requantize the finer operand to a narrower type first"
        )
    return alignment


def _constant(
    name: str, constant: PerChannel, length: int, smallest: int, largest: int
) -> NDArray[np.int64]:
    """Return a checked constant as a 64-bit scalar or row."""
    values = np.asarray(constant)
    if not np.issubdtype(values.dtype, np.signedinteger):
        raise TypeError(f"{name} must be an integer or integers, got {values.dtype}")
    if values.shape not in ((), (length,)):
        raise ValueError(
            f"{name} must be one constant or one for each of the {length} elements of a row, "
            f"got shape {values.shape}"
        )
    found_smallest, found_largest = int(values.min()), int(values.max())
    if found_smallest < smallest or found_largest > largest:
        raise ModelRangeError(
            f"{name} must be in [{smallest}, {largest}], got values in "
            f"[{found_smallest}, {found_largest}]"
        )
    return values.astype(np.int64)


def _check_constants(name: str, constants: Constants, smallest: int, largest: int) -> None:
    for value in constants if isinstance(constants, tuple) else (constants,):
        check_constant(name, value, smallest=smallest, largest=largest)


def _check_output_bits(bits: int) -> None:
    check_constant("bits", bits, smallest=2, largest=LARGEST_OUTPUT_BITS)


def _table_bits(multiplier: Constants, shift: Constants) -> int:
    multipliers = len(multiplier) if isinstance(multiplier, tuple) else 1
    shifts = len(shift) if isinstance(shift, tuple) else 1
    return multipliers * MULTIPLIER_BITS + shifts * _SHIFT_REGISTER_BITS
