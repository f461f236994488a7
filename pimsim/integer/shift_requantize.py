"""Requantization by a power of two: a shift and a rounding, no multiplier.

Which question this module answers: *which code does an accumulator become where scales differ by
powers of two?*

Scales restricted to powers of two turn the dyadic rescaling of :mod:`pimsim.integer.requantize`
into its shift, at up to half a bit of resolution. For the ratio ``r = scale_in / scale_out`` the
constant is ``shift = -round(log2(r))``; its output's scale is ``scale_in * 2**shift``.
"""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from jaxtyping import Int

from pimsim.integer.codes import ACCUMULATOR_BITS, check_codes, check_constant
from pimsim.integer.hardware import Operation, UnitHardware
from pimsim.integer.requantize import LARGEST_OUTPUT_BITS, LARGEST_SHIFT, Constants, requantize
from pimsim.integer.units import UnitOutput


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftRequantize:
    """Divide by a power of two, round half away from zero, saturate.

    Parameters
    ----------
    shift
        Places to the right, 0 to 62: one, or a tuple with one per channel.
    input_bits
        Width of the accumulator with its sign, 2 to 48; wider values are refused. [bit]
    output_bits
        Width of the result with its sign, 2 to 32. [bit]
    symmetric
        Leave out the most negative code.

    Raises
    ------
    ModelRangeError
        If a constant is out of range.

    Examples
    --------
    >>> unit = ShiftRequantize(shift=1, input_bits=32, output_bits=8)
    >>> unit(np.array([[5, -5, 4000]], dtype=np.int32)).values
    array([[  3,  -3, 127]], dtype=int8)
    """

    name: ClassVar[str] = "shift_requantize"

    shift: Constants
    input_bits: int
    output_bits: int
    symmetric: bool = False

    def __post_init__(self) -> None:
        check_constant("input_bits", self.input_bits, smallest=2, largest=ACCUMULATOR_BITS)
        check_constant("output_bits", self.output_bits, smallest=2, largest=LARGEST_OUTPUT_BITS)
        for places in self.shift if isinstance(self.shift, tuple) else (self.shift,):
            check_constant("shift", places, smallest=0, largest=LARGEST_SHIFT)

    def __call__(self, acc: Int[np.ndarray, "*rows length"]) -> UnitOutput:
        """Requantize rows of accumulators.

        Returns
        -------
        UnitOutput
            Codes in the smallest signed type for ``output_bits``, and how many saturated.

        Raises
        ------
        TypeError
            If ``acc`` is not of a signed integer type.
        ValueError
            If there is one shift per channel, but another number of channels.
        ModelRangeError
            If a value is wider than ``input_bits``.
        """
        check_codes("acc", acc, bits=self.input_bits)
        return requantize(acc, 1, self.shift, bits=self.output_bits, symmetric=self.symmetric)

    @property
    def hardware(self) -> UnitHardware:
        """A rounding adder, a shifter and two limit comparators in each lane."""
        shifts = len(self.shift) if isinstance(self.shift, tuple) else 1
        return UnitHardware(
            passes=1,
            per_element=(
                (Operation("add", self.input_bits + 1), 2),  # half an output step, and its sign
                (Operation("shift", self.input_bits + 1), 1),
                (Operation("compare", self.input_bits + 1), 2),
            ),
            per_row=(),
            serial_cycles_per_row=0,
            pipeline_depth_cycles=3,
            table_bits=shifts * LARGEST_SHIFT.bit_length(),
            maximum_row_length=None,
        )
