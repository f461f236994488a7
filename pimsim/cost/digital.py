"""What digital arithmetic costs: operations, shift-and-add, and whole vector units.

Which question this module answers: *what does one addition, multiplication, division or exponential
of a given width cost, and how large is the unit that performs it?*

Energies start from Horowitz's 45 nm table [1]_, areas and registers from Aladdin's 40 nm library
[2]_, the crossbar's shift-and-add from ISAAC [3]_; all are carried to node and supply by
:mod:`pimsim.cost.technology` (28 nm is interpolated in the logarithm of the node). Additions scale
linearly with their width and multiplications with its square, which meets the table's 8-bit values
(0.03 and 0.2 pJ) within 20 %. The result of every operation is latched once.

A unit's energy follows from the operations it declares per element and per row, its area from one
operator per lane and declared operation: nothing is shared between passes.

Not modelled: control, clock tree, glitches, operand-dependent activity, and sharing of operators
between passes or lanes.

References
----------
.. [1] M. Horowitz, Computing's energy problem (and what we can do about it), ISSCC 2014.
.. [2] Y. S. Shao et al., Aladdin, ISCA 2014; values as in
   github.com/Accelergy-Project/hwcomponents-library, aladdin.py.
.. [3] A. Shafiee et al., ISAAC, ISCA 2016; the same library, isaac.py.
.. [4] M. D. Ercegovac, T. Lang, Division and Square Root: Digit-Recurrence Algorithms and
   Implementations, Kluwer, 1994.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Protocol

from pimsim.config.architecture import Macro
from pimsim.cost.parameters import constant
from pimsim.cost.sourced import Sourced, total
from pimsim.cost.technology import OperatingPoint, area_ratio, energy_ratio
from pimsim.errors import ModelRangeError, nearest

_HOROWITZ_NM: Final = 45.0
_ALADDIN_NM: Final = 40.0
_ISAAC_NM: Final = 32.0
_TABLE_BITS: Final = 32.0
_SHIFT_ADD_BITS: Final = 16.0
_WIDEST_OPERATION_BITS: Final = 128
_FLOAT_BITS: Final = (16, 32)


class OperationLike(Protocol):
    """One operation as a unit declares it: :class:`pimsim.integer.Operation` or its like."""

    @property
    def kind(self) -> str:
        """What is done, a key of :data:`KINDS`."""

    @property
    def width_bits(self) -> int:
        """Width of the wider operand. [bit]"""


@dataclass(frozen=True, slots=True)
class OperationCost:
    """What one operation and its operator cost."""

    energy_pj: Sourced
    area_um2: Sourced


@dataclass(frozen=True, slots=True)
class DigitalCosts:
    """Costs of digital operations at one node and supply."""

    point: OperatingPoint

    def operation(self, kind: str, width_bits: int) -> OperationCost:
        """Cost one operation, the register of its result included.

        Parameters
        ----------
        kind
            A key of :data:`KINDS`.
        width_bits
            Width of the wider operand, 1 to 128; 16 or 32 for floating point. [bit]

        Raises
        ------
        ModelRangeError
            If the kind is unknown or the width outside the range.

        Examples
        --------
        >>> at_45 = DigitalCosts(OperatingPoint(45.0))
        >>> logic = at_45.logic("add", 32)
        >>> logic.energy_pj.value
        0.1
        """
        logic = self.logic(kind, width_bits)
        register = self.register(width_bits)
        return OperationCost(
            logic.energy_pj + register.energy_pj, logic.area_um2 + register.area_um2
        )

    def logic(self, kind: str, width_bits: int) -> OperationCost:
        """Cost one operation without the register of its result."""
        if kind not in KINDS:
            raise ModelRangeError(f"no cost for operation {kind!r}{nearest(kind, KINDS)}")
        floating = kind.startswith("fp_") or kind == "convert"
        if floating and width_bits not in _FLOAT_BITS:
            raise ModelRangeError(
                f"operation {kind!r} has a cost at {' and '.join(map(str, _FLOAT_BITS))} bit only, "
                f"got {width_bits}"
            )
        if not 1 <= width_bits <= _WIDEST_OPERATION_BITS:
            raise ModelRangeError(
                f"operation {kind!r}: width_bits must be 1 to {_WIDEST_OPERATION_BITS}, got "
                f"{width_bits}"
            )
        return KINDS[kind](self, width_bits)

    def register(self, bits: int) -> OperationCost:
        """Cost one access of a register of so many bits, and its area."""
        return OperationCost(
            self.energy_of("register_energy_per_bit_pj", _ALADDIN_NM) * float(bits),
            self.area_of("register_area_per_bit_um2", _ALADDIN_NM) * float(bits),
        )

    def shift_add(self, width_bits: int) -> OperationCost:
        """Cost one step of the shift-and-add behind a converter, its register included [3]_.

        Energy and area are linear in the accumulator's width.
        """
        share = width_bits / _SHIFT_ADD_BITS
        return OperationCost(
            self.energy_of("shift_add_16bit_energy_pj", _ISAAC_NM) * share,
            self.area_of("shift_add_16bit_area_um2", _ISAAC_NM) * share,
        )

    def energy_of(self, name: str, from_nm: float) -> Sourced:
        """Carry an energy of the library from its node to this node and supply. [pJ]"""
        to = self.point
        return constant("digital", name) * energy_ratio(from_nm, to.node_nm, to_v=to.supply_v)

    def area_of(self, name: str, from_nm: float) -> Sourced:
        """Carry an area of the library from its node to this one. [µm²]"""
        return constant("digital", name) * area_ratio(from_nm, self.point.node_nm)


def operations(point: OperatingPoint) -> DigitalCosts:
    """Return the costs of digital operations at one node and supply.

    Raises
    ------
    ModelRangeError
        On use, if node or supply are outside the scaling tables.
    """
    return DigitalCosts(point)


def shift_add_area_um2(macro: Macro, costs: DigitalCosts) -> Sourced:
    """Area of all shift-and-add logic of one macro.

    Every converter has one shift-and-add; where converters are shared by more columns than one
    weight has, every further accumulator needs a register of its own.

    Notes
    -----
    The accumulator of a whole product has ``inputs.bits + weights.bits + ceil(log2(rows))`` bits.

    Returns
    -------
    Sourced
        Area. [µm²]
    """
    converters = -(-macro.crossbar.cols // macro.adc.columns_per_adc)
    width = macro.accumulator_bits(macro.crossbar.rows)
    spare = max(0, macro.logical_cols - converters)
    return total(
        [
            costs.shift_add(width).area_um2 * float(converters),
            costs.register(width).area_um2 * float(spare),
        ]
    )


def group_shift_add_area_um2(macro: Macro, costs: DigitalCosts, *, places: int) -> Sourced:
    """Area of what one macro needs beside it where groups of rows share shifts.

    Every converter, or every matrix column where they are fewer, has a shift-and-add of the wide
    accumulator and an adder for the two shifts; every further column needs a wide register of its
    own.

    Parameters
    ----------
    macro
        With the planes and slices that the operands need.
    costs
        Of digital operations.
    places
        Farthest that a sum is shifted. [bit]

    Notes
    -----
    The shifts of static weights lie beside the macro, too; where and at what cost is not modelled.

    Returns
    -------
    Sourced
        Area. [µm²]
    """
    converters = -(-macro.crossbar.cols // macro.adc.columns_per_adc)
    adders = min(converters, macro.logical_cols)
    width = macro.accumulator_bits(macro.crossbar.rows) + places
    each = costs.shift_add(width).area_um2 + costs.shift_add(places.bit_length()).area_um2
    spare = costs.register(width).area_um2 * float(macro.logical_cols - adders)
    return each * float(adders) + spare


def _add(costs: DigitalCosts, width_bits: int) -> OperationCost:
    share = width_bits / _TABLE_BITS
    return OperationCost(
        costs.energy_of("add_int32_energy_pj", _HOROWITZ_NM) * share,
        costs.area_of("add_int32_area_um2", _ALADDIN_NM) * share,
    )


def _multiply(costs: DigitalCosts, width_bits: int) -> OperationCost:
    share = (width_bits / _TABLE_BITS) ** 2
    return OperationCost(
        costs.energy_of("multiply_int32_energy_pj", _HOROWITZ_NM) * share,
        costs.area_of("multiply_int32_area_um2", _ALADDIN_NM) * share,
    )


def _compare(costs: DigitalCosts, width_bits: int) -> OperationCost:
    share = width_bits / _TABLE_BITS
    return OperationCost(
        costs.energy_of("compare_int32_energy_pj", _ALADDIN_NM) * share,
        costs.area_of("compare_int32_area_um2", _ALADDIN_NM) * share,
    )


def _shift(costs: DigitalCosts, width_bits: int) -> OperationCost:
    return _times(_add(costs, width_bits), constant("digital", "shift_per_add_ratio"))


def _lookup(costs: DigitalCosts, width_bits: int) -> OperationCost:
    """One read of a table; the table itself is the unit's ``table_bits``."""
    return OperationCost(costs.register(width_bits).energy_pj, Sourced(0.0))


def _divide(costs: DigitalCosts, width_bits: int) -> OperationCost:
    """Radix-4 recurrence [4]_: one step per two bits, on one serial operator."""
    step = _times(_add(costs, width_bits), constant("digital", "division_step_per_add_ratio"))
    registers = costs.register(2 * width_bits)
    steps = float(-(-width_bits // 2))
    return OperationCost(
        (step.energy_pj + registers.energy_pj) * steps, step.area_um2 + registers.area_um2
    )


def _fp_add(costs: DigitalCosts, width_bits: int) -> OperationCost:
    return OperationCost(
        costs.energy_of(f"add_fp{width_bits}_energy_pj", _HOROWITZ_NM),
        costs.area_of(f"add_fp{width_bits}_area_um2", _HOROWITZ_NM),
    )


def _fp_multiply(costs: DigitalCosts, width_bits: int) -> OperationCost:
    return OperationCost(
        costs.energy_of(f"multiply_fp{width_bits}_energy_pj", _HOROWITZ_NM),
        costs.area_of(f"multiply_fp{width_bits}_area_um2", _HOROWITZ_NM),
    )


def _fp_divide(costs: DigitalCosts, width_bits: int) -> OperationCost:
    """A multiple of the multiplication's energy, in the area of one multiplier (Newton steps)."""
    multiply = _fp_multiply(costs, width_bits)
    ratio = constant("digital", "divide_per_multiply_fp32_ratio")
    return OperationCost(multiply.energy_pj * ratio, multiply.area_um2)


def _fp_exp(costs: DigitalCosts, width_bits: int) -> OperationCost:
    """Polynomial after range reduction: six multiply-adds and one conversion, in either width."""
    multiply_adds = constant("digital", "exponential_multiply_adds_ratio")
    multiply, add = _fp_multiply(costs, width_bits), _fp_add(costs, width_bits)
    convert = _convert(costs, width_bits)
    return OperationCost(
        (multiply.energy_pj + add.energy_pj) * multiply_adds + convert.energy_pj,
        (multiply.area_um2 + add.area_um2) * multiply_adds + convert.area_um2,
    )


def _convert(costs: DigitalCosts, width_bits: int) -> OperationCost:
    return _times(_add(costs, width_bits), constant("digital", "convert_per_add_ratio"))


def _times(cost: OperationCost, ratio: Sourced) -> OperationCost:
    return OperationCost(cost.energy_pj * ratio, cost.area_um2 * ratio)


KINDS: Final[Mapping[str, Callable[[DigitalCosts, int], OperationCost]]] = MappingProxyType(
    {
        "add": _add,
        "multiply": _multiply,
        "shift": _shift,
        "compare": _compare,
        "divide": _divide,
        "lookup": _lookup,
        "fp_add": _fp_add,
        "fp_multiply": _fp_multiply,
        "fp_compare": _compare,
        "fp_divide": _fp_divide,
        "fp_sqrt": _fp_divide,
        "fp_exp": _fp_exp,
        "convert": _convert,
    }
)
"""Every operation that has a cost. ``fp_*`` and ``convert`` are of 16 or 32 bits; a floating
comparison costs an integer one, a root a division."""
