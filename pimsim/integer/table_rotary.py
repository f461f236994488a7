"""Rotary position embedding with integer sines and cosines.

Which question this module answers: *which integers does a rotated query or key have?*

Rotary embedding turns each pair of channels by an angle that depends on the position,
``x * cos + rotate(x) * sin``, where ``rotate`` swaps the two of a pair and negates the second (Su
et al., equation 34 [1]_). Sines and cosines come from a table in fixed point::

    code = round(value * 2**fraction_bits)

``2**fraction_bits`` is 1 exactly, so at position 0 the unit returns its input.

References
----------
.. [1] J. Su et al., RoFormer: Enhanced Transformer with Rotary Position Embedding,
   Neurocomputing 568, 2024, arXiv:2104.09864.
"""

from dataclasses import dataclass
from typing import ClassVar, Final, Literal, final

import numpy as np
from jaxtyping import Int
from numpy.typing import NDArray

from pimsim.errors import ModelRangeError
from pimsim.integer.codes import (
    check_codes,
    check_constant,
    new_rows,
    row_blocks,
    signed_dtype,
    signed_range,
)
from pimsim.integer.hardware import Operation, UnitHardware
from pimsim.integer.units import UnitOutput

LARGEST_FRACTION_BITS: Final = 14
LARGEST_INPUT_BITS: Final = 32
LARGEST_POSITIONS: Final = 1 << 20
MAXIMUM_ROW_LENGTH: Final = 1 << 14

Pairing = Literal["halves", "neighbours"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class TableRotary:
    """Rotary embedding of rows of channels.

    Parameters
    ----------
    positions
        Rows of the table that the unit stores, 1 to 1,048,576.
    length
        Channels of a row, even, 2 to 16,384; the table has half as many cosines and sines.
    fraction_bits
        Fraction bits of a cosine or sine, 1 to 14; its codes have two bits more. [bit]
    input_bits, output_bits
        Widths of input and output codes with their sign, 2 to 32; one scale. [bit]
    pairing
        Which two channels turn together: ``"halves"``, ``i`` and ``i + length / 2`` (Llama as
        published with Transformers), or ``"neighbours"``, ``2 i`` and ``2 i + 1`` (the paper).

    Raises
    ------
    ModelRangeError
        If a constant is out of range.

    Notes
    -----
    ::

        out = saturate(round_half_up((x * cosine + rotate(x) * sine) / 2**fraction_bits))

    with ``rotate(a, b) = (-b, a)``. A turn may lengthen one channel by ``sqrt(2)``, so outputs may
    saturate where ``output_bits`` equals ``input_bits``; they are counted.

    Examples
    --------
    >>> unit = TableRotary(
    ...     positions=128, length=2, fraction_bits=14, input_bits=8, output_bits=8)
    >>> x = np.array([[100, 20]], dtype=np.int8)
    >>> right_angle = (np.array([[0, 0]], np.int16), np.array([[16384, 16384]], np.int16))
    >>> unit(x, *right_angle).values
    array([[-20, 100]], dtype=int8)
    """

    name: ClassVar[str] = "table_rotary"

    positions: int
    length: int
    fraction_bits: int
    input_bits: int
    output_bits: int
    pairing: Pairing = "halves"

    def __post_init__(self) -> None:
        check_constant("positions", self.positions, smallest=1, largest=LARGEST_POSITIONS)
        check_constant("length", self.length, smallest=2, largest=MAXIMUM_ROW_LENGTH)
        if self.length % 2:
            raise ModelRangeError(f"length must be even, for channels turn in pairs: {self.length}")
        check_constant(
            "fraction_bits", self.fraction_bits, smallest=1, largest=LARGEST_FRACTION_BITS
        )
        for name, bits in (("input_bits", self.input_bits), ("output_bits", self.output_bits)):
            check_constant(name, bits, smallest=2, largest=LARGEST_INPUT_BITS)
        if self.pairing not in ("halves", "neighbours"):
            raise ModelRangeError(f"pairing must be 'halves' or 'neighbours', got {self.pairing!r}")

    def __call__(
        self,
        x: Int[np.ndarray, "*rows length"],
        cosine: Int[np.ndarray, "..."],
        sine: Int[np.ndarray, "..."],
    ) -> UnitOutput:
        """Rotate rows.

        Parameters
        ----------
        x
            Codes of ``input_bits``.
        cosine, sine
            Codes of ``fraction_bits + 2`` bits, broadcast to the shape of ``x``; both channels of
            a pair have their own entry, as Transformers lays them out.

        Returns
        -------
        UnitOutput
            Codes of ``output_bits``, and how many saturated.

        Raises
        ------
        TypeError
            If an operand is not of a signed integer type.
        ValueError
            If ``x`` has rows of another length, or an operand does not broadcast to its shape.
        ModelRangeError
            If a code is wider than declared.
        """
        check_codes("x", x, bits=self.input_bits)
        if x.shape[-1] != self.length:
            raise ValueError(f"rows must have {self.length} elements, got shape {x.shape}")
        turns = [
            self._table_rows(name, table, x.shape)
            for name, table in (("cosine", cosine), ("sine", sine))
        ]
        source, result, result_rows = new_rows(x, signed_dtype(self.output_bits))
        smallest, largest = signed_range(self.output_bits)
        saturations = 0
        for block in row_blocks(*source.shape):
            codes = source[block].astype(np.int64)
            total = self._rotate(codes) * turns[1][block]
            total += codes * turns[0][block]
            total += 1 << (self.fraction_bits - 1)
            total >>= self.fraction_bits
            limited = np.clip(total, smallest, largest)
            saturations += int(np.count_nonzero(limited != total))
            result_rows[block] = limited
        return UnitOutput(result, saturations)

    def _table_rows(
        self, name: str, table: np.ndarray, shape: tuple[int, ...]
    ) -> NDArray[np.signedinteger]:
        check_codes(name, table, bits=self.fraction_bits + 2)
        return np.broadcast_to(table, shape).reshape(-1, shape[-1])

    def _rotate(self, codes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Swap the channels of each pair and negate what comes first."""
        rotated = np.empty_like(codes)
        if self.pairing == "halves":
            middle = self.length // 2
            first, second = slice(0, middle), slice(middle, None)
        else:
            first, second = slice(0, None, 2), slice(1, None, 2)
        rotated[:, first] = -codes[:, second]
        rotated[:, second] = codes[:, first]
        return rotated

    @property
    def hardware(self) -> UnitHardware:
        """One pass; a lane reads one cosine or sine for each element, for pairs share them."""
        code_bits = self.fraction_bits + 2
        product_bits = self.input_bits + code_bits
        return UnitHardware(
            passes=1,
            per_element=(
                (Operation("lookup", code_bits), 1),
                (Operation("multiply", max(self.input_bits, code_bits)), 2),
                (Operation("add", product_bits + 1), 2),  # the sum (or difference), rounding
                (Operation("compare", self.input_bits + 2), 2),  # saturation
            ),
            per_row=(),
            serial_cycles_per_row=0,
            pipeline_depth_cycles=4,
            table_bits=self.positions * self.length * code_bits,
            maximum_row_length=self.length,
        )
