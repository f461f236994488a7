"""Any function of one code by a look-up table, with straight lines between its entries.

Which question this module answers: *which integer does a table give for an integer input?*

The leading ``index_bits`` of an input code choose an interval, the bits below them a point on the
chord between its two entries. With as many index bits as the input has, it is a plain table. For an
input with the real scale ``S`` and a function ``f`` the entries are::

    table[i] = round(f(S * (i * 2**places - 2**(input_bits - 1))) / S_out)     i = 0 ... 2**index_bits

with ``places = input_bits - index_bits``; GELU and SiLU are straight outside [-8, 8], so that
chords serve where an interval is ``h`` wide: at most ``h**2 / 8 * max|f''|`` off, 0.80 for GELU and
0.50 for SiLU.
"""  # noqa: E501  one formula in one line

from dataclasses import dataclass
from typing import ClassVar, Final, final

import numpy as np
from jaxtyping import Int

from pimsim.errors import ModelRangeError
from pimsim.integer.codes import check_codes, check_constant, new_rows, row_blocks, signed_dtype
from pimsim.integer.hardware import Operation, UnitHardware
from pimsim.integer.row_normalization import check_channels
from pimsim.integer.units import UnitOutput

LARGEST_INDEX_BITS: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class _TableActivation:
    """A table and the chords between its entries; the functions differ in the entries alone."""

    table: tuple[int, ...]
    input_bits: int
    output_bits: int

    def __post_init__(self) -> None:
        check_constant("input_bits", self.input_bits, smallest=2, largest=16)
        check_constant("output_bits", self.output_bits, smallest=2, largest=32)
        intervals = len(self.table) - 1
        largest = 1 << min(self.input_bits, LARGEST_INDEX_BITS)
        if intervals & (intervals - 1) or not 1 <= intervals <= largest:
            raise ModelRangeError(
                f"table must have 2**k + 1 entries with 2**k at most {largest}, got "
                f"{len(self.table)}"
            )
        check_channels("table", self.table, bits=self.output_bits)

    @property
    def index_bits(self) -> int:
        """Leading bits of the input that choose an interval. [bit]"""
        return (len(self.table) - 1).bit_length() - 1

    def __call__(self, x: Int[np.ndarray, "*rows length"]) -> UnitOutput:
        """Look up codes of ``input_bits``.

        Returns
        -------
        UnitOutput
            Codes of ``output_bits`` on the table's scale; nothing saturates.

        Raises
        ------
        TypeError
            If ``x`` is not of a signed integer type.
        ModelRangeError
            If a value is wider than ``input_bits``.
        """
        check_codes("x", x, bits=self.input_bits)
        source, result, result_rows = new_rows(x, signed_dtype(self.output_bits))
        table = np.array(self.table, dtype=np.int64)
        places = self.input_bits - self.index_bits
        for block in row_blocks(*source.shape):
            position = source[block].astype(np.int64)
            position += 1 << (self.input_bits - 1)
            index = position >> places
            position &= (1 << places) - 1
            position *= table[index + 1] - table[index]
            position += (1 << places) >> 1
            position >>= places
            position += table[index]
            result_rows[block] = position
        return UnitOutput(result, 0)

    @property
    def hardware(self) -> UnitHardware:
        """One pass; two neighbouring entries at a time where there are chords between them."""
        places = self.input_bits - self.index_bits
        entry = Operation("lookup", self.output_bits)
        chord = (
            (Operation("add", self.output_bits + 1), 3),  # rise, rounding, start
            (Operation("multiply", self.output_bits + 1), 1),
        )
        return UnitHardware(
            passes=1,
            per_element=((entry, 2), *chord) if places else ((entry, 1),),
            per_row=(),
            serial_cycles_per_row=0,
            pipeline_depth_cycles=4 if places else 1,
            table_bits=len(self.table) * self.output_bits,
            maximum_row_length=None,
        )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class TableGelu(_TableActivation):
    """GELU of each element, by a table.

    Parameters
    ----------
    table
        ``2**k + 1`` entries of ``output_bits``, see the module's description.
    input_bits
        Width of an input code with its sign, 2 to 16; wider values are refused. [bit]
    output_bits
        Width of an entry with its sign, 2 to 32. [bit]

    Raises
    ------
    ModelRangeError
        If the number of entries is no power of two plus one, or an entry too wide.

    Notes
    -----
    ::

        p   = x + 2**(input_bits - 1)          i = p >> places          r = p - (i << places)
        out = table[i] + round_half_up((table[i + 1] - table[i]) * r / 2**places)

    Not modelled: a table per lane against one that lanes share; the storage is counted once.

    Examples
    --------
    >>> unit = TableGelu(table=(0, 0, 0, 50, 100), input_bits=8, output_bits=8)
    >>> unit(np.array([[-128, -1, 0, 1, 64, 127]], dtype=np.int8)).values
    array([[ 0,  0,  0,  1, 50, 99]], dtype=int8)
    """

    name: ClassVar[str] = "table_gelu"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class TableSilu(_TableActivation):
    """SiLU of each element, by a table; as :class:`TableGelu`.

    Parameters
    ----------
    table
        ``2**k + 1`` entries of ``output_bits``, see the module's description.
    input_bits
        Width of an input code with its sign, 2 to 16; wider values are refused. [bit]
    output_bits
        Width of an entry with its sign, 2 to 32. [bit]

    Raises
    ------
    ModelRangeError
        If the number of entries is no power of two plus one, or an entry too wide.
    """

    name: ClassVar[str] = "table_silu"
