"""Arithmetic on rows that carry a power of two each: bias, rescaling, residual addition.

Which question this module answers: *how does an accumulator whose driven operand was moved by
eMSB-Q get its bias, its own shift, and into the residual stream?*

A row (a token) of codes stands for ``code * scale * 2**shift`` with one static real scale for the
tensor and one integer shift for the row. :class:`BiasedShift` adds the bias at the row's shift and
keeps the leading bits, :class:`ScaledAdd` brings codes to a static scale by one multiplier, whose
shift it lessens by the row's, and adds them to another tensor on that scale.

RAP's paper has no residual stream, and does not say how a bias meets a shifted accumulator: both
units are a reconstruction.
"""

from dataclasses import dataclass
from typing import ClassVar, Final, final

import numpy as np
from jaxtyping import Int

from pimsim.errors import ModelRangeError
from pimsim.integer.codes import (
    ACCUMULATOR_BITS,
    check_codes,
    check_constant,
    signed_dtype,
    signed_range,
)
from pimsim.integer.hardware import Operation, UnitHardware
from pimsim.integer.leading_one import GroupCodes, LeadingOneShift
from pimsim.integer.units import UnitOutput

BIAS_BITS: Final = 32
SHIFT_BITS: Final = 8
"""Width of a row's shift where it is stored. [bit]"""
MULTIPLIER_BITS: Final = 15
_LARGEST_RIGHT: Final = 61
_LARGEST_LEFT: Final = 30
"""Farther left every code other than 0 saturates."""
_SMALLEST_SHIFT: Final = -30


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class BiasedShift:
    """Add a bias to rows of accumulators at their shifts, then keep the bits below a leading one.

    Parameters
    ----------
    bias
        One 32-bit mantissa for each element of a row, or none.
    bias_shift
        Places by which the mantissas stand further left than an accumulator of shift 0.
    leading
        Keeps the bits; its ``input_bits`` is the width of the sum.

    Raises
    ------
    ModelRangeError
        If a mantissa or the shift is out of range.

    Notes
    -----
    For a row whose driven operand was shifted by ``t``::

        y     = acc + ((bias << bias_shift) >> t)        floor
        code, s = leading(y)                             shift of the result: t + s

    Examples
    --------
    >>> from pimsim.integer.leading_one import emsb_q
    >>> unit = BiasedShift(bias=(40, -40), bias_shift=0, leading=emsb_q(input_bits=20))
    >>> unit.encode(np.array([[1000, 0]]), np.array([[2]]))
    GroupCodes(values=array([[252,  -3]], dtype=int16), shifts=array([[4]], dtype=int8), saturations=0)
    """  # noqa: E501  the value in the example is one line

    name: ClassVar[str] = "biased_shift"

    bias: tuple[int, ...] | None
    bias_shift: int
    leading: LeadingOneShift

    def __post_init__(self) -> None:
        largest_shift = ACCUMULATOR_BITS - BIAS_BITS
        check_constant("bias_shift", self.bias_shift, smallest=0, largest=largest_shift)
        smallest, largest = signed_range(BIAS_BITS)
        for channel, value in enumerate(self.bias or ()):
            check_constant(f"bias[{channel}]", value, smallest=smallest, largest=largest)

    def __call__(
        self, acc: Int[np.ndarray, "*rows length"], shifts: Int[np.ndarray, "..."] | None = None
    ) -> UnitOutput:
        """Return the codes alone; see :meth:`encode`."""
        encoded = self.encode(acc, shifts)
        return UnitOutput(encoded.values, encoded.saturations)

    def encode(
        self, acc: Int[np.ndarray, "*rows length"], shifts: Int[np.ndarray, "..."] | None = None
    ) -> GroupCodes:
        """Code rows of accumulators.

        Parameters
        ----------
        acc
            Accumulators; with the bias they fit ``leading.input_bits``.
        shifts
            ``t`` of each row, (..., 1), not negative; 0 when absent.

        Raises
        ------
        TypeError
            If an operand is not of a signed integer type.
        ValueError
            If rows have another length than the bias.
        ModelRangeError
            If a sum is wider than ``leading.input_bits``, or a shift negative.
        """
        check_codes("acc", acc, bits=self.leading.input_bits)
        places = np.zeros((1,), np.int8) if shifts is None else shifts
        check_codes("shifts", places, bits=SHIFT_BITS)
        if places.size and int(places.min()) < 0:
            raise ModelRangeError(f"shifts must not be negative, got {places.min()}")
        places = places.astype(np.int64)
        total = acc.astype(np.int64)
        if self.bias is not None:
            if len(self.bias) != acc.shape[-1]:
                raise ValueError(f"rows must have {len(self.bias)} elements, got {acc.shape}")
            mantissa = np.array(self.bias, dtype=np.int64) << self.bias_shift
            total += mantissa >> np.minimum(places, _LARGEST_RIGHT)
        own = self.leading.encode(total)
        return GroupCodes(own.values, (own.shifts + places).astype(np.int8), own.saturations)

    @property
    def hardware(self) -> UnitHardware:
        """The leading-one shifter, with a shifter and an adder for the bias before it."""
        base = self.leading.hardware
        wide = self.leading.input_bits
        biased = self.bias is not None
        bias = ((Operation("shift", wide), 1), (Operation("add", wide), 1)) if biased else ()
        return UnitHardware(
            passes=base.passes,
            per_element=(*bias, *base.per_element),
            per_row=(*base.per_row, (Operation("add", SHIFT_BITS), 1)),
            serial_cycles_per_row=base.serial_cycles_per_row,
            pipeline_depth_cycles=base.pipeline_depth_cycles + 2 * biased,
            table_bits=base.table_bits + BIAS_BITS * len(self.bias or ()),
            maximum_row_length=base.maximum_row_length,
        )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ScaledAdd:
    """Bring codes with a shift per row to a static scale, and add a tensor that is on it.

    Parameters
    ----------
    multiplier
        1 to ``2**15 - 1``; 1 where the two scales differ by a power of two.
    shift
        Places to the right for a row of shift 0, -30 to 61.
    input_bits
        Width of a code with its sign, 2 to 32. [bit]
    output_bits
        Width of the sum and of the addend with their signs, 2 to 32. [bit]

    Raises
    ------
    ModelRangeError
        If a constant is out of range.

    Notes
    -----
    For a row of shift ``t``: ``y = ((x * multiplier) >> (shift - t)) + addend``, the shift rounded
    half up, or to the left where negative; the sum saturates to ``±(2**(output_bits - 1) - 1)``.

    Examples
    --------
    >>> unit = ScaledAdd(multiplier=3 << 13, shift=16, input_bits=9, output_bits=16)  # 0.375
    >>> unit(np.array([[100, -4]]), np.array([[1]]), np.array([[1000, 1000]])).values
    array([[1075,  997]], dtype=int16)
    """

    name: ClassVar[str] = "scaled_add"

    multiplier: int
    shift: int
    input_bits: int
    output_bits: int

    def __post_init__(self) -> None:
        check_constant(
            "multiplier", self.multiplier, smallest=1, largest=(1 << MULTIPLIER_BITS) - 1
        )
        check_constant("shift", self.shift, smallest=_SMALLEST_SHIFT, largest=_LARGEST_RIGHT)
        check_constant("input_bits", self.input_bits, smallest=2, largest=32)
        check_constant("output_bits", self.output_bits, smallest=2, largest=32)

    def __call__(
        self,
        x: Int[np.ndarray, "*rows length"],
        shifts: Int[np.ndarray, "..."] | None = None,
        addend: Int[np.ndarray, "..."] | None = None,
    ) -> UnitOutput:
        """Rescale rows of codes and add.

        Parameters
        ----------
        x
            Codes of ``input_bits``.
        shifts
            ``t`` of each row, (..., 1); 0 when absent.
        addend
            Codes of ``output_bits`` on the output's scale; none when absent.

        Raises
        ------
        TypeError
            If an operand is not of a signed integer type.
        ModelRangeError
            If a value is wider than declared.
        """
        check_codes("x", x, bits=self.input_bits)
        places = np.full((1,), self.shift, np.int64)
        if shifts is not None:
            check_codes("shifts", shifts, bits=SHIFT_BITS)
            places = self.shift - shifts.astype(np.int64)
        right = np.clip(places, 0, _LARGEST_RIGHT)
        left = np.clip(-places, 0, _LARGEST_LEFT)
        exact = x.astype(np.int64) * self.multiplier
        # Limited first, so that a shift to the left cannot leave 64 bits: it would saturate anyway.
        reach = 1 << MULTIPLIER_BITS + self.output_bits
        exact = np.where(left > 0, np.clip(exact, -reach, reach), exact) << left
        exact = (exact + ((np.int64(1) << right) >> 1)) >> right
        if addend is not None:
            check_codes("addend", addend, bits=self.output_bits)
            exact = exact + addend
        smallest, largest = signed_range(self.output_bits, symmetric=True)
        limited = np.clip(exact, smallest, largest)
        saturations = int(np.count_nonzero(limited != exact))
        return UnitOutput(limited.astype(signed_dtype(self.output_bits)), saturations)

    @property
    def hardware(self) -> UnitHardware:
        """A multiplier unless the factor is a power of two, a shifter, two adders, two limits."""
        scaled = self.multiplier != 1
        wide = self.input_bits + (MULTIPLIER_BITS if scaled else 0)
        total = max(wide, self.output_bits) + 1
        multiply = ((Operation("multiply", self.input_bits), 1),) if scaled else ()
        return UnitHardware(
            passes=1,
            per_element=(
                *multiply,
                (Operation("add", wide), 1),  # half an output step
                (Operation("shift", wide), 1),
                (Operation("add", total), 1),  # addend
                (Operation("compare", total), 2),  # limits
            ),
            per_row=((Operation("add", SHIFT_BITS), 1),),
            serial_cycles_per_row=0,
            pipeline_depth_cycles=5,
            table_bits=(MULTIPLIER_BITS if scaled else 0) + SHIFT_BITS,
            maximum_row_length=None,
        )
