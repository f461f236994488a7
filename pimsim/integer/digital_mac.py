"""Multiply-accumulate array for products of two activations.

Which question this module answers: *what do products cost on a chip whose crossbars cannot take an
operand at run time, and what comes out?*

Crossbars of resistive or phase-change cells hold static weights only: writing keys and values into
them for every inference takes long and wears them out. Such a chip gets an array of multipliers
with one accumulator each; its products are exact. An output takes as many products as its reduction
is long; lanes that a short reduction leaves over take further outputs at the same time.

Not modelled: the registers that feed the lanes, the reuse of operands between outputs, and the
network that adds up lanes of one output (each lane adds to an accumulator of its own).
"""

from dataclasses import dataclass
from typing import ClassVar, Final, final

import numpy as np
from jaxtyping import Int

from pimsim.integer.codes import check_codes, check_constant
from pimsim.integer.hardware import Operation, UnitHardware
from pimsim.integer.units import UnitOutput

OPERAND_BITS: Final = 8
"""Width of the multipliers that a tile is built with."""
ACCUMULATOR_BITS: Final = 32
PIPELINE_DEPTH_CYCLES: Final = 2
"""A multiplication, then an addition."""
LARGEST_OPERAND_BITS: Final = 16


def mac_hardware(operand_bits: int = OPERAND_BITS) -> UnitHardware:
    """Work of one output: for each product a multiplication and an addition.

    Examples
    --------
    >>> hardware = mac_hardware()
    >>> hardware.cycles_per_row(100, lanes=64), hardware.rows_at_once(16, lanes=64)
    (2, 4)
    """
    return UnitHardware(
        passes=1,
        per_element=(
            (Operation("multiply", operand_bits), 1),
            (Operation("add", ACCUMULATOR_BITS), 1),
        ),
        per_row=(),
        serial_cycles_per_row=0,
        pipeline_depth_cycles=PIPELINE_DEPTH_CYCLES,
        table_bits=0,
        maximum_row_length=None,
        rows_share_lanes=True,
    )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class DigitalMac:
    """Exact product of two matrices of integers.

    Parameters
    ----------
    input_bits
        Widths of the driven and of the stored operand with their signs, 2 to 16; wider values are
        refused. [bit]

    Raises
    ------
    ModelRangeError
        If a width is out of range.

    Examples
    --------
    >>> unit = DigitalMac(input_bits=(8, 8))
    >>> a = np.array([[1, 2], [3, 4]], dtype=np.int8)
    >>> unit(a, a).values.tolist()
    [[7, 10], [15, 22]]
    """

    name: ClassVar[str] = "digital_mac"
    built_hardware: ClassVar[UnitHardware] = mac_hardware()

    input_bits: tuple[int, int]

    def __post_init__(self) -> None:
        for bits in self.input_bits:
            check_constant("input_bits", bits, smallest=2, largest=LARGEST_OPERAND_BITS)

    def __call__(
        self, a: Int[np.ndarray, "*steps vectors length"], b: Int[np.ndarray, "*steps length cols"]
    ) -> UnitOutput:
        """Multiply; leading axes are matched.

        Raises
        ------
        TypeError
            If an operand is not of a signed integer type.
        ModelRangeError
            If a value is wider than declared.
        """
        check_codes("a", a, bits=self.input_bits[0])
        check_codes("b", b, bits=self.input_bits[1])
        return UnitOutput(np.matmul(a, b, dtype=np.int64), 0)

    @property
    def hardware(self) -> UnitHardware:
        """Multipliers as wide as the wider operand."""
        return mac_hardware(max(self.input_bits))
