"""The product of two tensors, element by element, brought to the scale of its result.

Which question this module answers: *which code is the product of two codes?*

A gated feed-forward layer multiplies its gate by its values. The exact product of two codes has the
sum of their widths and the product of their scales; one dyadic ratio brings it to the output's
(:mod:`pimsim.integer.requantize`), with a single rounding.
"""

from dataclasses import dataclass
from typing import ClassVar, Final, final

import numpy as np
from jaxtyping import Int

from pimsim.integer.codes import check_codes, check_constant
from pimsim.integer.hardware import Operation, UnitHardware
from pimsim.integer.requantize import Constants, DyadicRequantize
from pimsim.integer.units import UnitOutput

LARGEST_OPERAND_BITS: Final = 16
"""Two such operands make a product of 32 bits."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class DyadicMultiply:
    """Multiply two tensors and scale by ``multiplier / 2**shift``.

    Parameters
    ----------
    multiplier, shift
        One constant, or a tuple with one per channel.
    input_bits
        Widths of the two operands with their signs, 2 to 16; wider values are refused. [bit]
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
    >>> unit = DyadicMultiply(multiplier=1 << 14, shift=17, input_bits=(8, 8), output_bits=8)
    >>> a, b = np.array([10, -10, 100], dtype=np.int8), np.array([4, 6, 100], dtype=np.int8)
    >>> unit(a, b)
    UnitOutput(values=array([  5,  -8, 127], dtype=int8), saturations=1)
    """

    name: ClassVar[str] = "dyadic_multiply"

    multiplier: Constants
    shift: Constants
    input_bits: tuple[int, int]
    output_bits: int
    symmetric: bool = False

    def __post_init__(self) -> None:
        for bits in self.input_bits:
            check_constant("input_bits", bits, smallest=2, largest=LARGEST_OPERAND_BITS)
        _ = self._rescale  # refuses what it cannot take

    def __call__(
        self, a: Int[np.ndarray, "*rows length"], b: Int[np.ndarray, "*rows length"]
    ) -> UnitOutput:
        """Multiply rows of two operands, broadcast against each other.

        Raises
        ------
        TypeError
            If an operand is not of a signed integer type.
        ModelRangeError
            If a value is wider than declared.
        """
        check_codes("a", a, bits=self.input_bits[0])
        check_codes("b", b, bits=self.input_bits[1])
        return self._rescale(np.multiply(a, b, dtype=np.int64))

    @property
    def _rescale(self) -> DyadicRequantize:
        return DyadicRequantize(
            multiplier=self.multiplier,
            shift=self.shift,
            input_bits=sum(self.input_bits),
            output_bits=self.output_bits,
            symmetric=self.symmetric,
        )

    @property
    def hardware(self) -> UnitHardware:
        """One more multiplier than a requantization, and one more pipeline stage."""
        rescale = self._rescale.hardware
        return UnitHardware(
            passes=1,
            per_element=((Operation("multiply", max(self.input_bits)), 1), *rescale.per_element),
            per_row=(),
            serial_cycles_per_row=0,
            pipeline_depth_cycles=rescale.pipeline_depth_cycles + 1,
            table_bits=rescale.table_bits,
            maximum_row_length=None,
        )
