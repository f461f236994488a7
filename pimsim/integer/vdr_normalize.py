"""What is left of softmax after P·V: taking the sum of a row out, without a division.

Which question this module answers: *how do products with exponentials become weighted means?*

VDR-Softmax yields exponentials over that of the row's maximum; their sum ``Z`` differs from row to
row and from head to head. RAP's paper leaves it in and relies on the next eMSB-Q [1]_, which moves
bits by whole places per token and cannot tell heads apart. Two units take it out (reconstruction):

* ``shift``: by the leading one of ``Z``, so that a factor of 1 to 2 remains;
* ``reciprocal_lut``: by the leading one and a factor from a table with 8 address bits, the ones
  after the leading one: 256 entries of one byte.

Both keep 8 guard bits for the following eMSB-Q.

References
----------
.. [1] D. Yi et al., FLARE, arXiv:2411.14733, section on VDR-Softmax.
"""

from dataclasses import dataclass
from typing import ClassVar, Final, Literal, final

import numpy as np
from jaxtyping import Int
from numpy.typing import NDArray

from pimsim.errors import ModelRangeError
from pimsim.integer.codes import ACCUMULATOR_BITS, check_codes, check_constant, signed_dtype
from pimsim.integer.hardware import Operation, UnitHardware
from pimsim.integer.leading_one import bit_lengths
from pimsim.integer.units import UnitOutput
from pimsim.integer.vdr_softmax import SUM_BITS

GUARD_BITS: Final = 8
"""Fraction bits that a weighted mean keeps. [bit]"""
ADDRESS_BITS: Final = 8
FACTOR_BITS: Final = 8
_ENTRIES: Final = 1 << ADDRESS_BITS
_LARGEST_FACTOR: Final = (1 << FACTOR_BITS) - 1

FACTORS: Final = tuple(
    min(_LARGEST_FACTOR, ((1 << 18) + odd) // (2 * odd))
    for odd in range(2 * _ENTRIES + 1, 4 * _ENTRIES, 2)
)
"""``round(2**16 / (256 + i + 0.5))``, at most 255: the contents of the table."""

Method = Literal["shift", "reciprocal_lut"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class VdrNormalize:
    """Divide a row of products with exponentials by the sum of these, approximately.

    Parameters
    ----------
    method
        ``"shift"`` or ``"reciprocal_lut"``.
    input_bits
        Width of an accumulator of P·V with its sign, 2 to 40; wider values are refused. [bit]
    output_bits
        Width of the result with its sign; wider results saturate. [bit]

    Raises
    ------
    ModelRangeError
        If a setting is out of range.

    Notes
    -----
    With ``k = bit_length(Z) - 1`` and ``i`` the 8 bits after the leading one of ``Z``::

        shift:           A = a >> (k - 8)                (to the left, if negative)
        reciprocal_lut:  A = (a * FACTORS[i]) >> k       ( = 8 + k - 8)

    ``A / 2**8`` is ``a / Z`` times a factor in [1, 2) (shift), or in (0.995, 1.005) (table, whose
    entries have one byte). A row with ``Z = 0``, masked throughout, has ``a = 0``.

    Examples
    --------
    >>> unit = VdrNormalize(method="reciprocal_lut", input_bits=33, output_bits=25)
    >>> unit(np.array([[30000, -600]]), np.array([[300]])).values / 2**8  # 100 and -2
    array([[99.7890625 , -1.99609375]])
    """

    name: ClassVar[str] = "vdr_normalize"

    method: Method
    input_bits: int
    output_bits: int

    def __post_init__(self) -> None:
        if self.method not in ("shift", "reciprocal_lut"):
            raise ModelRangeError(
                f"method must be 'shift' or 'reciprocal_lut', got {self.method!r}"
            )
        widest = ACCUMULATOR_BITS - FACTOR_BITS
        check_constant("input_bits", self.input_bits, smallest=2, largest=widest)
        check_constant("output_bits", self.output_bits, smallest=2, largest=ACCUMULATOR_BITS)

    def __call__(
        self, acc: Int[np.ndarray, "*rows length"], sums: Int[np.ndarray, "*rows 1"]
    ) -> UnitOutput:
        """Normalize rows of accumulators.

        Parameters
        ----------
        acc
            Products of codes with values.
        sums
            Sum of the codes of each row, not negative; broadcast to the rows.

        Raises
        ------
        TypeError
            If an operand is not of a signed integer type.
        ModelRangeError
            If a value is wider than declared, or a sum negative.
        """
        check_codes("acc", acc, bits=self.input_bits)
        check_codes("sums", sums, bits=SUM_BITS)
        if sums.size and int(sums.min()) < 0:
            raise ModelRangeError(f"sums must not be negative, got {sums.min()}")
        total = sums.astype(np.int64)
        leading = np.maximum(bit_lengths(total) - 1, 0)
        exact = acc.astype(np.int64)
        if self.method == "shift":
            places = leading - GUARD_BITS
            exact <<= np.maximum(-places, 0)
            exact >>= np.maximum(places, 0)
        else:
            exact *= np.array(FACTORS, dtype=np.int64)[_after_leading_one(total, leading)]
            exact >>= leading
        largest = (1 << (self.output_bits - 1)) - 1
        limited = np.clip(exact, -largest, largest)
        saturations = int(np.count_nonzero(limited != exact))
        return UnitOutput(limited.astype(signed_dtype(self.output_bits)), saturations)

    @property
    def hardware(self) -> UnitHardware:
        """A shifter, with a multiplier by one byte and a table of 256 bytes if there is one."""
        table = self.method == "reciprocal_lut"
        wide = self.input_bits + (FACTOR_BITS if table else GUARD_BITS)
        factor = ((Operation("multiply", self.input_bits), 1),) if table else ()
        lookup = ((Operation("lookup", FACTOR_BITS), 1),) if table else ()
        return UnitHardware(
            passes=1,
            per_element=(
                *factor,
                (Operation("shift", wide), 1),
                (Operation("compare", wide), 2),  # limits
            ),
            per_row=((Operation("compare", SUM_BITS), 1), *lookup),  # leading one
            serial_cycles_per_row=1,
            pipeline_depth_cycles=4,
            table_bits=_ENTRIES * FACTOR_BITS if table else 0,
            maximum_row_length=None,
        )


def _after_leading_one(total: NDArray[np.int64], leading: NDArray[np.int64]) -> NDArray[np.int64]:
    """The bits that follow the leading one, as many as address the table."""
    right, left = np.maximum(leading - ADDRESS_BITS, 0), np.maximum(ADDRESS_BITS - leading, 0)
    found: NDArray[np.int64] = ((total >> right) << left) & (_ENTRIES - 1)
    return found
