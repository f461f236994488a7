"""Floating-point formats of the conventional chip's units.

Which question this module answers: *how wide are the operators of a unit, and what does its format
make of the numbers that enter and leave it?*
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pimsim.integer.hardware import Operation, OperationKind
from pimsim.integer.units import UnitOutput

FP32_BITS: Final = 32
FP16_BITS: Final = 16
LARGEST_HALF: Final = 65504.0
"""Largest finite number of IEEE 754 binary16."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Precision:
    """A floating-point format: its operators, and the rounding of what enters and leaves a unit."""

    bits: int
    """Width of a number. [bit]"""
    divide_cycles: int
    """Serial radix-4 division of a significand with rounding and exponent; assumed. [cycle]"""

    def operation(self, kind: OperationKind) -> Operation:
        """An operator of this width."""
        return Operation(kind, self.bits)

    def taken(self, values: NDArray[Any]) -> Floats:
        """Numbers as the unit receives them."""
        return self.rounded(values).values

    def rounded(self, values: NDArray[Any]) -> UnitOutput:
        """Round to the format, saturate at its largest number and count what was.

        Examples
        --------
        >>> values, saturations = HALF.rounded(np.array([1.0, 2049.0, -7e4], np.float32))
        >>> values.tolist(), saturations
        ([1.0, 2048.0, -65504.0], 1)
        """
        if self.bits == FP32_BITS:
            return UnitOutput(np.asarray(values, np.float32), 0)
        clipped = np.clip(values, -LARGEST_HALF, LARGEST_HALF)
        saturations = int(np.count_nonzero(clipped != values))
        return UnitOutput(clipped.astype(np.float16).astype(np.float32), saturations)


SINGLE: Final = Precision(FP32_BITS, divide_cycles=14)
HALF: Final = Precision(FP16_BITS, divide_cycles=8)
