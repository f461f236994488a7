"""From counts to energy and from an architecture to area.

Which question this module answers: *what did one inference cost in energy, what does the chip take
in area, and how much of either rests on assumptions?*

Energy is the sum over operations of counts times energy per action, and of leakage times latency;
area is the sum over the instances of the whole chip. Every line is a
:class:`pimsim.records.CostItem`, and the lines add up exactly to the totals.

Switching energy is booked by :mod:`pimsim.cost.spending`, leakage by :mod:`pimsim.cost.leakage`,
area comes from :mod:`pimsim.cost.areas`. Clock network and control are one explicit line, a ratio
of the digital energy and area (:mod:`pimsim.cost.overhead`).

Not modelled: power distribution, pads, the area between blocks, standby power of off-chip memory,
and programming of read-only macros that is done once, before the first inference.
"""

from collections.abc import Iterable, Sequence

from pimsim.cost.areas import chip_areas
from pimsim.cost.basis import CostBasis, basis_of
from pimsim.cost.chip import ChipCost, chip_cost
from pimsim.cost.leakage import (
    chip_leakages,
    spend_busy_rows,
    spend_macro_leakage,
    spend_reading,
    spend_standing,
    spend_units,
)
from pimsim.cost.ledger import Ledger
from pimsim.cost.prices import movement_prices
from pimsim.cost.spending import spend_macro, spend_op
from pimsim.mapping.mapped import MappedWorkload
from pimsim.records import ActionCounts, CostBreakdown, CostItem, Timeline
from pimsim.units import mm2_from_um2, uj_from_pj

__all__ = [
    "area_breakdown_mm2",
    "assumed_area_ratio",
    "assumed_energy_ratio",
    "chip_leakages",
    "energy_breakdown_uj",
    "macro_items",
    "roll_up",
]


def roll_up(
    mapped: MappedWorkload | CostBasis,
    counts: Sequence[ActionCounts],
    timeline: Timeline,
    variant: str,
) -> CostBreakdown:
    """Cost one isolated inference and the whole chip.

    Parameters
    ----------
    mapped
        The workload on its chip, or what a stored result keeps of it.
    counts
        What each operation did. Operations may be in any order and in several parts; each part is
        divided by its own number of inferences.
    timeline
        The replay of one inference; its latency times the leakage power is leakage energy.
    variant
        A key of the architecture's ``cost.variants``.

    Returns
    -------
    CostBreakdown
        Lines of energy per component and operation [pJ], lines of area per component [µm²], and
        the sources of all constants used.

    Raises
    ------
    NotFoundError
        If there is no such variant.
    ModelRangeError
        If a component lies outside the range of its model.
    SimulationError
        If counts contradict the architecture or each other.

    Notes
    -----
    ::

        E = sum_ops (sum_actions count / inferences * E_action) + overhead of the digital ones
            + P_leak * latency + P_leak_of_macro_logic * reads * read_time
            + P_leak_of_units * busy time
    """
    basis = mapped if isinstance(mapped, CostBasis) else basis_of(mapped)
    chip = chip_cost(basis.architecture, variant)
    ledger = Ledger()
    moves = {} if chip.table is not None else movement_prices(chip)
    for op_counts in counts:
        spend_op(ledger, chip, basis, op_counts, moves)
    spend_standing(ledger, chip, basis, timeline)
    spend_units(ledger, chip, timeline)
    spend_reading(ledger, chip, counts)
    spend_busy_rows(ledger, chip, timeline)
    for component, area_um2, model in chip_areas(chip):
        ledger.occupy(component, area_um2, model=model)
    return CostBreakdown(variant=variant, items=tuple(ledger.items), sources=tuple(ledger.sources))


def macro_items(chip: ChipCost, counts: ActionCounts, *, busy_ns: float) -> tuple[CostItem, ...]:
    """Cost what macros do, and what their logic leaks while they read, without anything around.

    Parameters
    ----------
    chip
        What components cost.
    counts
        Actions of macros; those of units and movements are passed over.
    busy_ns
        How long the macros read, all together. [ns]
    """
    ledger = Ledger()
    for macro in counts.macros:
        spend_macro(ledger, chip, counts, macro)
        spend_macro_leakage(ledger, chip, macro.macro, busy_ns)
    return tuple(ledger.items)


def energy_breakdown_uj(breakdown: CostBreakdown) -> dict[str, float]:
    """Energy per component, summed over operations, the largest first. [µJ]"""
    return _by_component((item.component, uj_from_pj(item.energy_pj)) for item in breakdown.items)


def area_breakdown_mm2(breakdown: CostBreakdown) -> dict[str, float]:
    """Area per component, the largest first. [mm²]"""
    return _by_component((item.component, mm2_from_um2(item.area_um2)) for item in breakdown.items)


def assumed_energy_ratio(breakdown: CostBreakdown) -> float:
    """Share of the energy whose weakest constant is an assumption; 0 if there is no energy."""
    assumed = sum(item.energy_pj for item in breakdown.items if item.kind == "assumed")
    return assumed / breakdown.energy_pj if breakdown.energy_pj else 0.0


def assumed_area_ratio(breakdown: CostBreakdown) -> float:
    """Share of the area whose weakest constant is an assumption; 0 if there is no area."""
    assumed = sum(item.area_um2 for item in breakdown.items if item.kind == "assumed")
    return assumed / breakdown.area_um2 if breakdown.area_um2 else 0.0


def _by_component(parts: Iterable[tuple[str, float]]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for component, amount in parts:
        if amount:
            sums[component] = sums.get(component, 0.0) + amount
    return dict(sorted(sums.items(), key=lambda entry: (-entry[1], entry[0])))
