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

Not modelled: glitches, operand-dependent activity, and sharing of operators
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
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Protocol

from pimsim.cost.parameters import constant
from pimsim.cost.sourced import Sourced, exact
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
    """Costs of digital operations at one node and supply, each computed once."""

    point: OperatingPoint
    _known: dict[tuple[str, int], OperationCost] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )
    """What was asked for before: a roll-up asks for the same few some thousand times."""

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
        return self._once(
            f"{kind} and register", width_bits, lambda: self._latched(kind, width_bits)
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
        if width_bits not in range(1, _WIDEST_OPERATION_BITS + 1):
            raise ModelRangeError(
                f"operation {kind!r}: width_bits must be a whole number from 1 to "
                f"{_WIDEST_OPERATION_BITS}, got {width_bits!r}"
            )
        return KINDS[kind](self, width_bits)

    def register(self, bits: int) -> OperationCost:
        """Cost one access of a register of so many bits, and its area.

        Raises
        ------
        ModelRangeError
            If the bits are not a whole number from 1.
        """
        return self._once("register", bits, lambda: self._register(bits))

    def shift_add(self, width_bits: int) -> OperationCost:
        """Cost one step of the shift-and-add behind a converter, its register included [3]_.

        Energy and area are linear in the accumulator's width.

        Raises
        ------
        ModelRangeError
            If the width is not a whole number from 1.
        """
        return self._once("shift_add", width_bits, lambda: self._shift_add(width_bits))

    def energy_of(self, name: str, from_nm: float) -> Sourced:
        """Carry an energy of the library from its node to this node and supply. [pJ]"""
        to = self.point
        return constant("digital", name) * energy_ratio(from_nm, to.node_nm, to_v=to.supply_v)

    def area_of(self, name: str, from_nm: float) -> Sourced:
        """Carry an area of the library from its node to this one. [µm²]"""
        return constant("digital", name) * area_ratio(from_nm, self.point.node_nm)

    def _once(self, what: str, bits: int, compute: Callable[[], OperationCost]) -> OperationCost:
        if (what, bits) not in self._known:
            self._known[what, bits] = compute()
        return self._known[what, bits]

    def _latched(self, kind: str, width_bits: int) -> OperationCost:
        logic = self.logic(kind, width_bits)
        register = self.register(width_bits)
        what = f"{kind}_{width_bits}bit"
        return OperationCost(
            (logic.energy_pj + register.energy_pj).named(f"{what}_energy_pj"),
            (logic.area_um2 + register.area_um2).named(f"{what}_area_um2"),
        )

    def _register(self, bits: int) -> OperationCost:
        width = _whole_width("a register", bits)
        return OperationCost(
            self.energy_of("register_energy_per_bit_pj", _ALADDIN_NM) * width,
            self.area_of("register_area_per_bit_um2", _ALADDIN_NM) * width,
        )

    def _shift_add(self, width_bits: int) -> OperationCost:
        share = _whole_width("a shift-and-add", width_bits) / _SHIFT_ADD_BITS
        energy_pj = self.energy_of("shift_add_16bit_energy_pj", _ISAAC_NM) * share
        area_um2 = self.area_of("shift_add_16bit_area_um2", _ISAAC_NM) * share
        what = f"shift_add_{width_bits}bit"
        return OperationCost(
            energy_pj.named(f"{what}_energy_pj"), area_um2.named(f"{what}_area_um2")
        )


def operations(point: OperatingPoint) -> DigitalCosts:
    """Return the costs of digital operations at one node and supply.

    Raises
    ------
    ModelRangeError
        On use, if node or supply are outside the scaling tables.
    """
    return DigitalCosts(point)


def _width(bits: int) -> Sourced:
    return exact("width_bits", bits)


def _whole_width(what: str, bits: int) -> Sourced:
    if not isinstance(bits, int) or bits < 1:
        raise ModelRangeError(f"width_bits of {what} must be a whole number from 1, got {bits!r}")
    return _width(bits)


def _add(costs: DigitalCosts, width_bits: int) -> OperationCost:
    share = _width(width_bits) / _TABLE_BITS
    return OperationCost(
        costs.energy_of("add_int32_energy_pj", _HOROWITZ_NM) * share,
        costs.area_of("add_int32_area_um2", _ALADDIN_NM) * share,
    )


def _multiply(costs: DigitalCosts, width_bits: int) -> OperationCost:
    share = (_width(width_bits) / _TABLE_BITS) ** 2
    return OperationCost(
        costs.energy_of("multiply_int32_energy_pj", _HOROWITZ_NM) * share,
        costs.area_of("multiply_int32_area_um2", _ALADDIN_NM) * share,
    )


def _compare(costs: DigitalCosts, width_bits: int) -> OperationCost:
    share = _width(width_bits) / _TABLE_BITS
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
