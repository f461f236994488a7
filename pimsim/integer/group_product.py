"""Products of codes that carry one shift per group, without expanding them first.

Which question this module answers: *what does a multiply-accumulate array compute on 4-bit codes
with flags, and how wide must its registers be?*

The codes of :mod:`pimsim.integer.leading_one` stand for ``code * 2**shift`` with one shift per
group. A group's products are summed as the small integers they are, moved left once by the sum of
the two groups' shifts, and added to a wide accumulator::

    out = sum over groups of (sum in group of a * w) << (shift_a + shift_w)

which equals the product of the expanded operands bit for bit. It is the decompression-free
arithmetic unit of QRazor (arXiv:2501.13331) for its SDR codes, and serves QuaRTZ's windows
(arXiv:2509.26436) alike; order and widths are a reconstruction.
"""

from dataclasses import dataclass
from typing import ClassVar, Final, final

import numpy as np
from jaxtyping import Int

from pimsim.errors import ModelRangeError
from pimsim.integer.codes import check_codes, check_constant
from pimsim.integer.hardware import Operation, UnitHardware

LARGEST_ACCUMULATOR_BITS: Final = 63
LARGEST_CODE_BITS: Final = 9
LARGEST_SHIFT: Final = 31


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class GroupShiftProduct:
    """Matrix product of codes with one shift per group.

    Parameters
    ----------
    a_bits, w_bits
        Widths of the two operands' codes with their sign, 2 to 9. [bit]
    a_shift, w_shift
        Largest shift of either operand, 0 to 31; 5 for 4-bit codes of 8-bit words, 13 of 16-bit
        ones. [bit]
    group_size
        Members of a group along the summed axis.
    maximum_row_length
        Longest sum.

    Raises
    ------
    ModelRangeError
        If a setting is out of range, or the accumulator would need more than 63 bits.

    Examples
    --------
    >>> unit = GroupShiftProduct(
    ...     a_bits=4, w_bits=4, a_shift=5, w_shift=5, group_size=2, maximum_row_length=4096)
    >>> a, w = np.array([[7, -3, 1, 0]], np.int8), np.array([[1], [2], [-8], [5]], np.int8)
    >>> unit(a, np.array([[4, 0]], np.int8), w, np.array([[1], [3]], np.int8))
    array([[-32]])
    >>> unit.accumulator_bits
    30
    """

    name: ClassVar[str] = "group_shift_product"

    a_bits: int
    w_bits: int
    a_shift: int
    w_shift: int
    group_size: int
    maximum_row_length: int

    def __post_init__(self) -> None:
        for name, bits in (("a_bits", self.a_bits), ("w_bits", self.w_bits)):
            check_constant(name, bits, smallest=2, largest=LARGEST_CODE_BITS)
        for name, shift in (("a_shift", self.a_shift), ("w_shift", self.w_shift)):
            check_constant(name, shift, smallest=0, largest=LARGEST_SHIFT)
        check_constant("group_size", self.group_size, smallest=1, largest=1 << 20)
        check_constant("maximum_row_length", self.maximum_row_length, smallest=1, largest=1 << 24)
        if self.accumulator_bits > LARGEST_ACCUMULATOR_BITS:
            raise ModelRangeError(
                f"sums of {self.maximum_row_length} products shifted by up to "
                f"{self.a_shift + self.w_shift} places need {self.accumulator_bits} bits; "
                f"{LARGEST_ACCUMULATOR_BITS} are allowed: shorten the rows or the shifts"
            )

    @property
    def group_sum_bits(self) -> int:
        """Width of the sum of a group's products with its sign. [bit]"""
        return _sum_bits(self.a_bits, self.w_bits, self.group_size)

    @property
    def accumulator_bits(self) -> int:
        """Width of the accumulator with its sign. [bit]"""
        longest = _sum_bits(self.a_bits, self.w_bits, self.maximum_row_length)
        return longest + self.a_shift + self.w_shift

    def __call__(
        self,
        a: Int[np.ndarray, "*rows length"],
        a_shifts: Int[np.ndarray, "*rows groups"],
        w: Int[np.ndarray, "length cols"],
        w_shifts: Int[np.ndarray, "groups cols"],
    ) -> Int[np.ndarray, "*rows cols"]:
        """Multiply ``a`` by ``w``.

        Parameters
        ----------
        a, a_shifts
            Codes of ``a_bits``, and one shift for each group along the last axis.
        w, w_shifts
            Codes of ``w_bits``, and one shift for each group along the first axis.

        Returns
        -------
        ndarray
            int64, exactly the product of the expanded operands.

        Raises
        ------
        TypeError
            If an operand is not of a signed integer type.
        ValueError
            If the shapes do not belong together.
        ModelRangeError
            If a code or a shift is out of range, or rows are longer than ``maximum_row_length``.
        """
        check_codes("a", a, bits=self.a_bits)
        check_codes("w", w, bits=self.w_bits)
        self._check_shapes(a, a_shifts, w, w_shifts)
        for name, shifts, largest in (
            ("a_shifts", a_shifts, self.a_shift),
            ("w_shifts", w_shifts, self.w_shift),
        ):
            check_codes(name, shifts, bits=8)
            if shifts.size and not 0 <= int(shifts.min()) <= int(shifts.max()) <= largest:
                raise ModelRangeError(
                    f"{name} must be in [0, {largest}], got values in "
                    f"[{shifts.min()}, {shifts.max()}]"
                )
        length = a.shape[-1]
        total = np.zeros((*a.shape[:-1], w.shape[-1]), dtype=np.int64)
        for group, start in enumerate(range(0, length, self.group_size)):
            members = slice(start, min(start + self.group_size, length))
            small = a[..., members].astype(np.int64) @ w[members].astype(np.int64)
            small <<= a_shifts[..., group, np.newaxis].astype(np.int64) + w_shifts[group]
            total += small
        return total

    def _check_shapes(
        self, a: np.ndarray, a_shifts: np.ndarray, w: np.ndarray, w_shifts: np.ndarray
    ) -> None:
        length = a.shape[-1]
        if length > self.maximum_row_length:
            raise ModelRangeError(
                f"rows must have at most {self.maximum_row_length} elements, got {length}"
            )
        groups = -(-length // self.group_size)
        expected = ((length, w.shape[-1]), (*a.shape[:-1], groups), (groups, w.shape[-1]))
        if (w.shape, a_shifts.shape, w_shifts.shape) != expected:
            raise ValueError(
                f"a of shape {a.shape} in groups of {self.group_size} asks for w, a_shifts and "
                f"w_shifts of shapes {expected}, got {(w.shape, a_shifts.shape, w_shifts.shape)}"
            )

    @property
    def hardware(self) -> UnitHardware:
        """Work for one element of the result, whose sum is the row."""
        return UnitHardware(
            passes=1,
            per_element=(
                (Operation("multiply", max(self.a_bits, self.w_bits)), 1),
                (Operation("add", self.group_sum_bits), 1),
            ),
            per_row=(),
            serial_cycles_per_row=0,
            pipeline_depth_cycles=4,
            table_bits=0,
            maximum_row_length=self.maximum_row_length,
            group_size=self.group_size,
            per_group=(
                (Operation("add", max(self.a_shift, self.w_shift).bit_length() + 1), 1),  # flags
                (Operation("shift", self.group_sum_bits + self.a_shift + self.w_shift), 1),
                (Operation("add", self.accumulator_bits), 1),
            ),
        )


def _sum_bits(a_bits: int, w_bits: int, terms: int) -> int:
    """Width of a sum of products: the largest is that of the two most negative codes."""
    return (terms << (a_bits + w_bits - 2)).bit_length() + 1
