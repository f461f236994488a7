"""What a chip can do at best, before anything runs on it.

Which question this module answers: *how large is this chip, how many operations per second, per
watt and per area does it reach, and what does one whole matrix-vector product cost?*

One **full MVM** is one vector of as many inputs as a crossbar has rows, times a matrix that fills
the crossbar, at the operand widths of the architecture file: every bit-plane of every row group is
read, or as many rows as the chip's zero skipping is expected to leave, every column converted,
every slice recombined. Its latency is that of one vector alone; its
period is the time after which the next vector can follow. Its energy is that of the macro: cells,
drivers, converters, shift-and-add, and what leaks in them meanwhile.

**Peak** is every macro of the chip doing full MVMs one after the other, all kinds of macros at
once. Peak power is that of the macros, of reading their inputs from and writing their outputs to
the buffer of their tile over its wires, of the clock of all these, and of the leakage of the whole
chip except its vector units. Not in it:
vector units, network, global buffer, off-chip memory and pins, whose work depends on the network
that runs. Of a chip with a component table of its own, power and area are those of all its rows,
without what pimsim adds to it. ``tops_per_w`` and ``tops_per_mm2`` of a macro are those of the
macro alone.

Energies that depend on values take a share of ones among the bits of both operands, one half unless
said otherwise; that share is an assumption. One MAC is two operations.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from pimsim.config.architecture import Architecture, Macro
from pimsim.cost.areas import chip_areas, is_digital, overhead_component
from pimsim.cost.chip import ChipCost, chip_cost
from pimsim.cost.prices import movement_prices
from pimsim.cost.published_table import EXTENSION, peak_powers_mw
from pimsim.cost.rollup import chip_leakages, macro_items
from pimsim.cost.service_times import service_times
from pimsim.errors import InputError
from pimsim.records import ActionCounts, CostItem, MacroCounts, ServiceTimes
from pimsim.units import OPS_PER_MAC, PS_PER_NS, mm2_from_um2

DENSITY_RATIO: Final = 0.5
"""Assumed share of ones among the bits of inputs and of weights."""

_TOPS_PER_OPS_PER_NS: Final = 1e-3
_W_PER_MW: Final = 1e-3


@dataclass(frozen=True, slots=True)
class MacroDescription:
    """One macro and its full MVM."""

    macro: str
    instances: int
    """On the whole chip."""
    rows: int
    cols: int
    """Matrix columns, each with all slices of its weights."""
    active_rows: int
    input_bits: int
    weight_bits: int
    adc_codes: int
    reads: int
    conversions: int
    macs: int
    conversions_per_mac: float
    latency_ns: float
    """Of one vector alone."""
    period_ns: float
    """From one vector to the next."""
    energy_pj: float
    area_um2: float
    tops: float
    """Of one macro."""
    tops_per_w: float | None
    """``None`` where a component table states no energy."""
    tops_per_mm2: float | None
    """``None`` where a component table states no area."""
    latency_breakdown_ns: Mapping[str, float]
    energy_breakdown_pj: Mapping[str, float]
    area_breakdown_um2: Mapping[str, float]
    assumed_energy_ratio: float
    """Share of the energy that rests on assumed constants; that of the data is not counted."""


@dataclass(frozen=True, slots=True)
class Description:
    """A chip at its peak, and the full MVM of each of its kinds of macro."""

    architecture: str
    variant: str
    node_nm: float
    supply_v: float
    density_ratio: float
    """Share of ones among the bits of all operands; assumed."""
    area_mm2: float
    power_mw: float
    """At peak."""
    tops: float
    tops_per_w: float | None
    """``None`` where a component table states no power."""
    tops_per_mm2: float | None
    """``None`` where a component table states no area."""
    area_breakdown_mm2: Mapping[str, float]
    power_breakdown_mw: Mapping[str, float]
    buffer_demand_ratio: float
    """Bits that the macros of a tile need and yield at peak over the bandwidth of its buffer; above
    1 the buffer holds the macros up and the peak is out of reach."""
    macros: Mapping[str, MacroDescription]
    """By name, in file order; kinds that the chip has none of are absent."""
    main: str
    """The kind that holds static weights."""


def describe(
    architecture: Architecture, variant: str | None = None, *, density_ratio: float = DENSITY_RATIO
) -> Description:
    """Describe a chip under one cost variant.

    Parameters
    ----------
    architecture
        The chip.
    variant
        A key of ``cost.variants``; the default one when absent.
    density_ratio
        Share of ones among the bits of inputs and of weights, above 0 and at most 1.

    Returns
    -------
    Description
        Peak and full MVMs, as the module defines them.

    Raises
    ------
    InputError
        If the density is no share, or the chip has no macro.
    NotFoundError
        If there is no such variant.
    ModelRangeError
        If a component lies outside the range of its model.

    Examples
    --------
    >>> from pimsim.config import load_architecture
    >>> chip = describe(load_architecture("rap_int8"))
    >>> mvm = chip.macros["mram"]
    >>> mvm.reads, mvm.macs, mvm.period_ns, mvm.conversions_per_mac
    (1024, 131072, 10240.0, 8.0)
    """
    if not 0.0 < density_ratio <= 1.0:
        raise InputError(f"density must be above 0 and at most 1, got {density_ratio:g}")
    name = architecture.cost.default if variant is None else variant
    chip = chip_cost(architecture, name)
    times = service_times(architecture)
    instances = {
        kind: architecture.tile.macros.get(kind, 0) * architecture.chip.tiles
        for kind in architecture.macros
    }
    macros = {
        kind: _macro(kind, chip, times, count, density_ratio)
        for kind, count in instances.items()
        if count
    }
    if not macros:
        raise InputError(
            f"architecture {architecture.name!r} has no macro to describe; raise tile.macros"
        )
    return _chip(chip, name, macros, density_ratio)


def full_mvm_counts(
    name: str, macro: Macro, *, density_ratio: float = DENSITY_RATIO
) -> MacroCounts:
    """Count what one macro does for one full MVM."""
    from pimsim.functional.shape_only import macro_counts
    from pimsim.mapping.mapped import Block, Placement

    rows, cols = macro.crossbar.rows, macro.logical_cols
    block = Block(0, 0, 0, 0, rows, 0, cols)
    placement = Placement(name, rows, cols, 1, (block,), 1)
    return macro_counts(placement, macro, tokens=1, density_ratio=density_ratio)


def _macro(
    name: str, chip: ChipCost, times: ServiceTimes, instances: int, density_ratio: float
) -> MacroDescription:
    macro = chip.architecture.macros[name]
    counts = full_mvm_counts(name, macro, density_ratio=density_ratio)
    latency = _latency_ns(name, counts.reads, times)
    period_ns = counts.reads * times.read_ps[name] / PS_PER_NS
    items = macro_items(chip, ActionCounts("mvm", 1, (counts,)), busy_ns=period_ns)
    energy = _by_component(items)
    for component, leakage_mw, _ in chip_leakages(chip, macros={name: 1}, tiles=0, routers=0):
        if component == name:  # its cells; mW · ns = pJ
            key = f"leakage.{name}"
            energy[key] = energy.get(key, 0.0) + leakage_mw.value * period_ns
    energy_pj = sum(energy.values())
    areas = {
        component: area.value / instances
        for component, area, _ in chip_areas(chip)
        if component.split(".")[0] == name
    }
    assumed_pj = sum(item.energy_pj for item in items if item.kind == "assumed")
    macs = macro.crossbar.rows * macro.logical_cols
    ops, area_um2 = OPS_PER_MAC * macs, sum(areas.values())
    tops = ops / period_ns * _TOPS_PER_OPS_PER_NS
    return MacroDescription(
        macro=name,
        instances=instances,
        rows=macro.crossbar.rows,
        cols=macro.logical_cols,
        active_rows=macro.crossbar.active_rows,
        input_bits=macro.inputs.bits,
        weight_bits=macro.weights.bits,
        adc_codes=macro.adc.codes,
        reads=counts.reads,
        conversions=counts.conversions,
        macs=macs,
        conversions_per_mac=counts.conversions / macs,
        latency_ns=sum(latency.values()),
        period_ns=period_ns,
        energy_pj=energy_pj,
        area_um2=area_um2,
        tops=tops,
        tops_per_w=_over(ops, energy_pj),  # op/pJ = TOPS/W
        tops_per_mm2=_over(tops, mm2_from_um2(area_um2)),
        latency_breakdown_ns=latency,
        energy_breakdown_pj=energy,
        area_breakdown_um2=areas,
        assumed_energy_ratio=_over(assumed_pj, energy_pj) or 0.0,
    )


def _over(amount: float, by: float) -> float | None:
    """A quotient; ``None`` where a component table states nothing to divide by."""
    return amount / by if by else None


def _latency_ns(name: str, reads: int, times: ServiceTimes) -> dict[str, float]:
    """Reads one after the other, and what the last of them leaves to do, as the replay has it.

    Word lines and converters work side by side: the slower of the two takes every read, the faster
    one only the first or the last.
    """
    read_ps = times.read_ps[name]
    drive_ps, convert_ps = times.drive_ps.get(name, read_ps), times.convert_ps.get(name, 0)
    if convert_ps > drive_ps:
        parts = {"first_read": drive_ps, "conversions": reads * read_ps}
    else:
        parts = {"reads": reads * read_ps, "last_conversions": convert_ps}
    parts["last_shift_add"] = times.shift_add_ps.get(name, 0)
    return {part: time_ps / PS_PER_NS for part, time_ps in parts.items() if time_ps}


def _by_component(items: Iterable[CostItem]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for item in items:
        sums[item.component] = sums.get(item.component, 0.0) + item.energy_pj
    return {component: energy_pj for component, energy_pj in sums.items() if energy_pj}


def _chip(
    chip: ChipCost, variant: str, macros: Mapping[str, MacroDescription], density_ratio: float
) -> Description:
    architecture = chip.architecture
    read = sum(_bits_per_ns(macro, macro.rows) for macro in macros.values())
    written = sum(_bits_per_ns(macro, macro.cols) for macro in macros.values())
    bits_per_ns = read + written
    power = _powers_mw(chip, macros, read, written)
    areas: dict[str, float] = {}
    for component, area, _ in chip_areas(chip):
        if component.split(".")[0] != EXTENSION:
            areas[component] = areas.get(component, 0.0) + mm2_from_um2(area.value)
    power_mw, area_mm2 = sum(power.values()), sum(areas.values())
    tops = sum(macro.instances * macro.tops for macro in macros.values())
    bandwidth = architecture.tile.buffer.bandwidth_bits_per_ns * architecture.chip.tiles
    return Description(
        architecture=architecture.name,
        variant=variant,
        node_nm=architecture.node_nm,
        supply_v=architecture.pvt.supply_v,
        density_ratio=density_ratio,
        area_mm2=area_mm2,
        power_mw=power_mw,
        tops=tops,
        tops_per_w=_over(tops, power_mw * _W_PER_MW),
        tops_per_mm2=_over(tops, area_mm2),
        area_breakdown_mm2=areas,
        power_breakdown_mw=power,
        buffer_demand_ratio=bits_per_ns / bandwidth,
        macros=macros,
        main=architecture.macro_for("static") or next(iter(macros)),
    )


def _powers_mw(
    chip: ChipCost, macros: Mapping[str, MacroDescription], read: float, written: float
) -> dict[str, float]:
    """Power of every component of the chip at its peak; bits per ns out of and into buffers."""
    if chip.table is not None:
        return {component: power_mw.value for component, power_mw in peak_powers_mw(chip.table)}
    power = {
        component: macro.instances * energy_pj / macro.period_ns  # pJ/ns = mW
        for macro in macros.values()
        for component, energy_pj in macro.energy_breakdown_pj.items()
    }
    moves = movement_prices(chip)
    for action, bits_per_ns in (
        ("tile_buffer_read_bits", read),
        ("tile_buffer_write_bits", written),
        ("tile_wires", read + written),
    ):
        component = moves[action].component
        power[component] = (
            power.get(component, 0.0) + bits_per_ns * moves[action].energy_pj.value  # pJ/ns = mW
        )
    digital_mw = sum(power_mw for component, power_mw in power.items() if is_digital(component))
    clock_mw = digital_mw * chip.overhead.energy_ratio.value
    if clock_mw:
        power[overhead_component(chip)] = clock_mw
    tiles = chip.architecture.chip.tiles
    for component, leakage_mw, _ in chip_leakages(chip, macros={}, tiles=tiles, routers=tiles):
        power[f"leakage.{component}"] = leakage_mw.value
    return power


def _bits_per_ns(macro: MacroDescription, values: int) -> float:
    """Bits of so many values per full MVM, outputs as wide as inputs, of all macros of a kind."""
    return macro.instances * macro.input_bits * values / macro.period_ns


def to_document(description: Description) -> dict[str, Any]:
    """Return a description as plain dicts and numbers, with the keys that scripts may rely on.

    ``area_mm2``, ``power_mw``, ``tops``, ``tops_per_w`` and ``tops_per_mm2`` are those of the chip
    at its peak. ``macro`` names the kind of macro that holds static weights; ``latency_ns``,
    ``energy_pj``, ``input_bits``, ``weight_bits``, ``rows``, ``cols``, ``reads``, ``conversions``
    and ``conversions_per_mac`` are those of its full MVM. ``breakdowns`` splits ``area_mm2`` and
    ``power_mw`` of the chip and ``latency_ns`` and ``energy_pj`` of that MVM; the parts of each add
    up to it. ``macros`` has the full MVM of every kind of macro, each with its own breakdowns. A
    quotient is ``null`` where a chip's component table states nothing to divide by.
    """
    main = _mvm(description.macros[description.main])
    own = main.pop("breakdowns")
    shown = ("latency_ns", "energy_pj", "input_bits", "weight_bits", "rows", "cols", "reads")
    return {
        "architecture": description.architecture,
        "cost_variant": description.variant,
        "node_nm": description.node_nm,
        "supply_v": description.supply_v,
        "density_ratio": description.density_ratio,
        "density_kind": "assumed",
        "area_mm2": description.area_mm2,
        "power_mw": description.power_mw,
        "tops": description.tops,
        "tops_per_w": description.tops_per_w,
        "tops_per_mm2": description.tops_per_mm2,
        "buffer_demand_ratio": description.buffer_demand_ratio,
        "macro": description.main,
        **{key: main[key] for key in (*shown, "conversions", "conversions_per_mac")},
        "breakdowns": {
            "area_mm2": dict(description.area_breakdown_mm2),
            "power_mw": dict(description.power_breakdown_mw),
            "latency_ns": own["latency_ns"],
            "energy_pj": own["energy_pj"],
        },
        "macros": {name: _mvm(macro) for name, macro in description.macros.items()},
    }


def _mvm(macro: MacroDescription) -> dict[str, Any]:
    breakdowns = {
        "latency_ns": dict(macro.latency_breakdown_ns),
        "energy_pj": dict(macro.energy_breakdown_pj),
        "area_um2": dict(macro.area_breakdown_um2),
    }
    plain = {
        entry.name: getattr(macro, entry.name)
        for entry in fields(macro)
        if "_breakdown" not in entry.name and entry.name != "macro"
    }
    return {**plain, "breakdowns": breakdowns}
