"""Every price of a chip with the formula behind it.

Which question this module answers: *why does this component cost what it costs?*

Prices are those of :mod:`pimsim.cost.prices`, areas those of :mod:`pimsim.cost.areas`, times those
of :mod:`pimsim.cost.service_times`: the very numbers that a run is costed with, taken apart by
:mod:`pimsim.cost.derivation`.

Three prices depend on what runs and are shown for a stated case: a shift-and-add at the width that
a full column of the crossbar needs, a row of a digital unit at one element and at as many as the
unit has lanes (on the hardware that the chip provides, which is built for the widest operands), and
leakage for one macro, one tile, one router and one unit that are switched on. The overhead of clock
and control is a ratio of what the digital components spend together.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from pimsim.config.architecture import Architecture
from pimsim.cost.areas import chip_areas, overhead_component
from pimsim.cost.chip import ChipCost, chip_cost, global_buffer_model
from pimsim.cost.derivation import Derivation, derivation
from pimsim.cost.groups import widest_accumulator_bits
from pimsim.cost.leakage import chip_leakages, reading_leakage_price, unit_leakage_price
from pimsim.cost.prices import (
    Price,
    array_read_price,
    busy_prices,
    leakage_price,
    macro_prices,
    movement_prices,
    refresh_price,
    shift_add_price,
    unit_price,
)
from pimsim.cost.published_table import EXTENSION, MODEL, row_prices
from pimsim.cost.service_times import derived_times
from pimsim.cost.sourced import Sourced
from pimsim.cost.unit_hardware import built_hardware
from pimsim.errors import NotFoundError, nearest
from pimsim.records import SourceKind

AREA: Final = "area"
"""Stands for the area among the quantities of a component."""
ROW_NOTE: Final = (
    "of the unit as it is built, for the widest operands and all its duties; an operation of a "
    "workload pays for its own (components.csv of a run)"
)
"""Said of the energy of a row of a digital unit."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """One number of a component: the energy of an action, a time, or its area."""

    name: str
    """The action, the time, or ``"area"``, which is that of all instances on the chip."""
    number: Sourced
    unit: str
    """An ending of :data:`pimsim.units.UNIT_SUFFIXES`."""
    model: str
    """Registry name of the model; empty for a time, which the architecture file states."""
    note: str = ""
    """What the number stands for, where the name does not tell."""

    @property
    def kind(self) -> SourceKind | None:
        """The weakest kind among the constants behind it; ``None`` if there are settings only."""
        return self.number.kind if self.number.sources else None

    @property
    def derivation(self) -> Derivation:
        """Formula, steps and inputs."""
        return derivation(self.number, self.name, self.unit)


@dataclass(frozen=True, slots=True)
class Component:
    """What one component costs."""

    name: str
    quantities: tuple[Quantity, ...]
    """Energies of actions, then times, then the area."""

    @property
    def area_um2(self) -> float | None:
        """Area of all instances on the chip; ``None`` for one that takes none."""
        return next((each.number.value for each in self.quantities if each.name == AREA), None)


def components(architecture: Architecture, variant: str | None = None) -> tuple[Component, ...]:
    """List every component of a chip under one cost variant.

    Raises
    ------
    NotFoundError
        If there is no such variant.
    ModelRangeError
        If a component lies outside the range of its model.

    Examples
    --------
    >>> from pimsim.config import load_architecture
    >>> found = {component.name: component for component in components(load_architecture("rap"))}
    >>> [quantity.name for quantity in found["mram.adc"].quantities]
    ['convert', 'area']
    """
    name = architecture.cost.default if variant is None else variant
    chip = chip_cost(architecture, name)
    quantities: dict[str, list[Quantity]] = {}
    for price in chip_prices(chip):
        note = ROW_NOTE if price.action.startswith("row_of_") else ""
        quantities.setdefault(price.component, []).append(
            Quantity(price.action, price.energy_pj, "pj", price.model, note)
        )
    if chip.overhead.energy_ratio.value:
        ratio = chip.overhead.energy_ratio
        quantities.setdefault(overhead_component(chip), []).append(
            Quantity("energy_ratio", ratio, "ratio", chip.models.overhead)
        )
    for key, time in derived_times(architecture).items():
        component, _, what = key.rpartition(".")
        unit = "bits_per_ns" if what.endswith("_bits_per_ns") else "ns"
        quantities.setdefault(component, []).append(Quantity(what, time, unit, ""))
    for component, area_um2, model in chip_areas(chip):
        quantities.setdefault(component, []).append(Quantity(AREA, area_um2, "um2", model))
    heads = list(dict.fromkeys(component.split(".")[0] for component in quantities))
    ordered = sorted(  # what belongs to a macro or to all units stands before their parts
        quantities, key=lambda component: (heads.index(component.split(".")[0]), "." in component)
    )
    return tuple(Component(component, tuple(quantities[component])) for component in ordered)


def chip_prices(chip: ChipCost) -> Iterator[Price]:
    """Yield the price of every action of a chip, those that depend on what runs in a stated case.

    An action of one nanosecond, such as ``leak_ns``, costs as many pJ as its power has mW.
    """
    if chip.table is None:
        for name, macro in chip.architecture.macros.items():
            read = array_read_price(chip, name)
            if read is not None:
                yield read
            elif chip.architecture.tile.macros.get(name, 0):
                yield from macro_prices(chip, name).values()
                yield shift_add_price(chip, name, macro.accumulator_bits(macro.crossbar.rows))
        yield from (price for _, price in busy_prices(chip))
        yield from movement_prices(chip).values()
    else:
        for row in row_prices(chip.table):
            yield Price(row.component, row.action, row.energy_pj, MODEL)
    yield from _unit_prices(chip)
    yield from _standing_prices(chip)


def _standing_prices(chip: ChipCost) -> Iterator[Price]:
    """Leakage and refresh of one of each, for a nanosecond."""
    present = [name for name in chip.macros if chip.architecture.tile.macros.get(name, 0)]
    one = dict.fromkeys(present, 1)
    for component, power_mw, model in chip_leakages(chip, macros=one, tiles=1, routers=1):
        yield leakage_price(component, power_mw, model)
    if chip.table is None:
        for name in filter(chip.models_macro, present):
            yield reading_leakage_price(chip, name)
        for buffer, cost, model in (
            ("tile_buffer", chip.tile_buffer, chip.models.buffer),
            ("global_buffer", chip.global_buffer, global_buffer_model(chip.models)),
        ):
            if cost.refresh_mw.value:
                yield refresh_price(buffer, cost.refresh_mw, model)
    for function, area_um2 in chip.unit_areas_um2.items():
        if chip.models_unit(function):
            yield unit_leakage_price(chip, function, area_um2)


def _unit_prices(chip: ChipCost) -> Iterator[Price]:
    group = "units" if chip.table is None else EXTENSION
    widest = widest_accumulator_bits(chip.architecture)
    for function, unit in chip.architecture.units.present().items():
        if not chip.models_unit(function):
            continue
        hardware = built_hardware(unit.model, accumulator_bits=widest)
        for length in sorted({1, unit.lanes}):
            yield unit_price(chip, f"{group}.{function}", hardware, length)


def matching(found: Sequence[Component], wanted: str) -> tuple[Component, ...]:
    """Return the components whose name begins with ``wanted``, in whole parts.

    Raises
    ------
    NotFoundError
        If there is none; the nearest name is given.

    Examples
    --------
    >>> [one.name for one in matching([Component("mram.adc", ()), Component("noc", ())], "mram")]
    ['mram.adc']
    """
    head = wanted.rstrip(".")
    chosen = tuple(one for one in found if f"{one.name}.".startswith(f"{head}."))
    if not chosen:
        names = {name for one in found for name in (one.name, one.name.split(".")[0])}
        raise NotFoundError(f"no component {wanted!r}{nearest(wanted, names)}")
    return chosen


def with_action(found: Sequence[Component], wanted: str) -> tuple[Component, ...]:
    """Return the components with only those quantities whose name begins with ``wanted``.

    Raises
    ------
    NotFoundError
        If there is none; the nearest name is given.
    """
    chosen = tuple(
        Component(one.name, kept)
        for one in found
        if (kept := tuple(each for each in one.quantities if each.name.startswith(wanted)))
    )
    if not chosen:
        names = {each.name for one in found for each in one.quantities}
        raise NotFoundError(f"no action, time or area {wanted!r}{nearest(wanted, names)}")
    return chosen


def to_document(found: Sequence[Component]) -> Mapping[str, object]:
    """Return components with their derivations as plain dicts, lists and numbers."""
    return {
        one.name: {
            each.name: {
                "value": each.number.value,
                "unit": each.unit,
                "model": each.model,
                "kind": each.kind,
                "note": each.note,
                "steps": [asdict(step) for step in each.derivation.steps],
                "inputs": [asdict(leaf) for leaf in each.derivation.inputs],
            }
            for each in one.quantities
        }
        for one in found
    }
