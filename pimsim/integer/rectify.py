"""ReLU: negative codes become zero.

Which question this module answers: *which code does a rectified tensor have?*
"""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from jaxtyping import Int

from pimsim.integer.codes import check_codes, check_constant
from pimsim.integer.hardware import Operation, UnitHardware
from pimsim.integer.units import UnitOutput


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Rectify:
    """``max(0, x)`` on codes; width and scale stay what they are.

    Parameters
    ----------
    input_bits
        Width of a code with its sign, 2 to 32; wider values are refused. [bit]

    Examples
    --------
    >>> Rectify(input_bits=8)(np.array([-3, 0, 5], dtype=np.int8)).values
    array([0, 0, 5], dtype=int8)
    """

    name: ClassVar[str] = "rectify"

    input_bits: int

    def __post_init__(self) -> None:
        check_constant("input_bits", self.input_bits, smallest=2, largest=32)

    def __call__(self, x: Int[np.ndarray, "*rows length"]) -> UnitOutput:
        """Rectify rows of codes.

        Raises
        ------
        TypeError
            If ``x`` is not of a signed integer type.
        ModelRangeError
            If a value is wider than ``input_bits``.
        """
        check_codes("x", x, bits=self.input_bits)
        return UnitOutput(np.maximum(x, x.dtype.type(0)), 0)

    @property
    def hardware(self) -> UnitHardware:
        """One comparison, which also selects, in each lane."""
        return UnitHardware(
            passes=1,
            per_element=((Operation("compare", self.input_bits), 1),),
            per_row=(),
            serial_cycles_per_row=0,
            pipeline_depth_cycles=1,
            table_bits=0,
            maximum_row_length=None,
        )
