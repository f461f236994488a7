"""What an integer unit is made of, so that energy and time can be derived from it.

Which question this module answers: *which operations does a unit perform on a row, and in how many
cycles?*

A vector unit streams a row of ``length`` elements through ``lanes`` parallel lanes, once per
*pass* (a softmax needs three: maximum, exponentials with their sum, normalization), and runs
serial steps once per row between passes (a division, a square root). A unit that divides every
element has a serial divider in each lane, which an element occupies for some cycles. Hence::

    cycles_per_row = (passes + serial_cycles_per_element) * ceil(length / lanes)
                     + serial_cycles_per_row
    operations     = length * per_element + ceil(length / group_size) * per_group + per_row

``rows`` rows in a stream take ``pipeline_depth_cycles + rows * cycles_per_row`` cycles: the
pipeline fills once, and rows do not overlap. Shifts by a fixed amount are wiring and not counted.

Not modelled: stalls on operands, the control unit, the clock tree, glitches, and the buffer that
holds a row between two passes (it belongs to the tile's buffer).

References
----------
.. [1] M. D. Ercegovac, T. Lang, Division and Square Root: Digit-Recurrence Algorithms and
   Implementations, Kluwer, 1994 (radix-4 dividers: two quotient bits per cycle).
.. [2] T. Granlund, P. L. Montgomery, Division by Invariant Integers using Multiplication,
   PLDI 1994 (division by a constant is one multiplication and a fixed shift).
"""

from collections import Counter
from dataclasses import dataclass
from typing import Final, Literal

from pimsim.errors import ModelRangeError

OperationKind = Literal[
    "add",
    "multiply",
    "shift",
    "compare",
    "divide",
    "lookup",
    "fp_add",
    "fp_multiply",
    "fp_divide",
    "fp_exp",
    "convert",
]
"""``add`` also counts subtractions, negations and increments; ``compare`` also selects.

The ``fp_`` kinds and ``convert`` (between integer and floating point) are those of the floating
units of a conventional chip, which declare their hardware in the same words.
"""

DIVIDER_BITS_PER_CYCLE: Final = 2
"""Quotient bits per cycle of the serial radix-4 divider that units share among their lanes [1]_."""


@dataclass(frozen=True, slots=True, order=True)
class Operation:
    """One kind of arithmetic operation at one width.

    Parameters
    ----------
    kind
        What is done.
    width_bits
        Width of the wider operand with its sign; for ``divide`` that of the dividend.
    """

    kind: OperationKind
    width_bits: int


OperationCounts = tuple[tuple[Operation, int], ...]
"""Operations and how often each happens; an operation may be listed more than once."""


@dataclass(frozen=True, slots=True)
class UnitHardware:
    """Work and time of an integer unit as a function of the row length.

    Parameters
    ----------
    passes
        How often each row streams through the lanes.
    per_element, per_row
        Operations for each element, and once per row.
    serial_cycles_per_row
        Cycles of the serial steps between passes, for each row.
    pipeline_depth_cycles
        Cycles from the first operand to the first result, once per stream of rows.
    table_bits
        Storage of the unit's constants and look-up tables. [bit]
    maximum_row_length
        Longest row for which no register overflows; ``None`` where elements are independent.
    serial_cycles_per_element
        Cycles for which an element holds up its lane, beyond one for each pass.
    group_size, per_group
        Neighbouring elements that share work, and the operations on each group of them.
    rows_share_lanes
        Whether lanes that a short row leaves over take further rows at the same time.

    Examples
    --------
    >>> add = Operation("add", 32)
    >>> adder = UnitHardware(
    ...     passes=1, per_element=((add, 1),), per_row=(), serial_cycles_per_row=0,
    ...     pipeline_depth_cycles=1, table_bits=0, maximum_row_length=None)
    >>> adder.cycles_per_row(100, lanes=64), adder.operations(100)[add]
    (2, 100)
    """

    passes: int
    per_element: OperationCounts
    per_row: OperationCounts
    serial_cycles_per_row: int
    pipeline_depth_cycles: int
    table_bits: int
    maximum_row_length: int | None
    serial_cycles_per_element: int = 0
    group_size: int = 1
    per_group: OperationCounts = ()
    rows_share_lanes: bool = False

    def rows_at_once(self, length: int, lanes: int) -> int:
        """Rows that stream through the lanes side by side.

        Raises
        ------
        ModelRangeError
            If ``length`` is below 1 or above ``maximum_row_length``.
        """
        self._check_length(length)
        return max(1, lanes // length) if self.rows_share_lanes else 1

    def cycles_per_row(self, length: int, lanes: int) -> int:
        """Cycles for one row, without filling the pipeline.

        Raises
        ------
        ModelRangeError
            If ``length`` is below 1 or above ``maximum_row_length``, or ``lanes`` below 1.
        """
        self._check_length(length)
        if lanes < 1:
            raise ModelRangeError(f"lanes must be at least 1, got {lanes}")
        cycles_per_group = self.passes + self.serial_cycles_per_element
        return cycles_per_group * -(-length // lanes) + self.serial_cycles_per_row

    def operations(self, length: int) -> dict[Operation, int]:
        """Count the operations on one row, in a stable order.

        Raises
        ------
        ModelRangeError
            If ``length`` is below 1 or above ``maximum_row_length``.
        """
        self._check_length(length)
        counts: Counter[Operation] = Counter()
        for operation, count in self.per_element:
            counts[operation] += count * length
        for operation, count in self.per_group:
            counts[operation] += count * -(-length // self.group_size)
        for operation, count in self.per_row:
            counts[operation] += count
        return dict(sorted(counts.items()))

    def _check_length(self, length: int) -> None:
        if length < 1 or (self.maximum_row_length is not None and length > self.maximum_row_length):
            limit = "" if self.maximum_row_length is None else f" and {self.maximum_row_length}"
            raise ModelRangeError(
                f"a row must have {'at least 1' if not limit else f'between 1{limit}'} elements, "
                f"got {length}"
            )


def division_cycles(quotient_bits: int) -> int:
    """Cycles of one serial division that yields ``quotient_bits`` bits, radix 4 [1]_.

    Examples
    --------
    >>> division_cycles(17)
    9
    """
    return -(-quotient_bits // DIVIDER_BITS_PER_CYCLE)
