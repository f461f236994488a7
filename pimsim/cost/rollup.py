"""From counts to energy and from an architecture to area.

Which question this module answers: *what did one inference cost in energy, what does the chip take
in area, and how much of either rests on assumptions?*

Energy is the sum over operations of counts times energy per action, and of leakage times latency;
area is the sum over the instances of the whole chip. Every line is a
:class:`pimsim.records.CostItem`, and the lines add up exactly to the totals.

Idle logic is power-gated, the same for every chip, as the RAP paper gates its memories. What leaks:
drivers and shift-and-add of a macro while it reads; a digital unit while it works; and all through
the inference the SRAM cells of macros that hold something, the buffers and routers of tiles that
work, routers that traffic crosses, and the global buffer. Everything else is switched off. A chip
without such gating leaks more: :attr:`pimsim.cost.chip.ChipCost` has the areas to tell how much.

Not modelled: off-chip memory and I/O, clock and power distribution, pads, the area between blocks,
programming of read-only macros (it happens once, before the first inference), and the energy and
the time of gating itself.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from pimsim.analog.coding import load_max
from pimsim.cost.chip import ChipCost, MacroCost, chip_cost
from pimsim.cost.service_times import service_times
from pimsim.cost.sourced import Sourced, total
from pimsim.cost.technology import logic_leakage_mw
from pimsim.errors import SimulationError
from pimsim.mapping.mapped import MappedWorkload
from pimsim.records import (
    ActionCounts,
    CostBreakdown,
    CostItem,
    MacroCounts,
    MovedBits,
    Source,
    Timeline,
    UnitCounts,
)
from pimsim.units import PS_PER_NS, mm2_from_um2, uj_from_pj


@dataclass(slots=True)
class _Ledger:
    """Lines in order, and every source behind them once."""

    items: list[CostItem] = field(default_factory=list)
    sources: dict[Source, None] = field(default_factory=dict)

    def spend(
        self, component: str, op: str | None, energy_pj: Sourced, *, model: str, action: str,
        actions: float,
    ) -> None:  # fmt: skip
        """Book energy; an action that never happened leaves no line."""
        if actions:
            item = CostItem(
                component, op, energy_pj.value, 0.0, model, energy_pj.kind, action, actions
            )
            self._add(item, energy_pj)

    def occupy(self, component: str, area_um2: Sourced, *, model: str) -> None:
        """Book area."""
        self._add(CostItem(component, None, 0.0, area_um2.value, model, area_um2.kind), area_um2)

    def _add(self, item: CostItem, known: Sourced) -> None:
        self.sources.update(dict.fromkeys(known.sources))
        self.items.append(item)


def roll_up(
    mapped: MappedWorkload, counts: Sequence[ActionCounts], timeline: Timeline, variant: str
) -> CostBreakdown:
    """Cost one isolated inference and the whole chip.

    Parameters
    ----------
    mapped
        The workload on its chip.
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

        E = sum_ops sum_actions count / inferences * E_action
            + P_leak * latency + P_leak_of_macro_logic * reads * read_time
            + P_leak_of_units * busy time
    """
    chip = chip_cost(mapped.architecture, variant)
    ledger = _Ledger()
    for op_counts in counts:
        _spend_op(ledger, chip, mapped, op_counts)
    _spend_leakage(ledger, chip, mapped, timeline)
    _spend_unit_leakage(ledger, chip, timeline)
    _spend_reading_leakage(ledger, chip, counts)
    for component, area_um2, model in _areas(chip):
        ledger.occupy(component, area_um2, model=model)
    return CostBreakdown(variant=variant, items=tuple(ledger.items), sources=tuple(ledger.sources))


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


def _spend_op(
    ledger: _Ledger, chip: ChipCost, mapped: MappedWorkload, counts: ActionCounts
) -> None:
    if counts.inferences < 1:
        raise SimulationError(
            f"op {counts.op!r}: counts over {counts.inferences} inferences cannot be costed"
        )
    for macro in counts.macros:
        _spend_macro(ledger, chip, counts, macro)
    for unit in counts.units:
        _spend_unit(ledger, chip, mapped, counts, unit)
    _spend_movement(ledger, chip, counts, counts.moved)


def _spend_macro(ledger: _Ledger, chip: ChipCost, counts: ActionCounts, macro: MacroCounts) -> None:
    if macro.macro not in chip.macros:
        raise SimulationError(
            f"op {counts.op!r}: counts name macro {macro.macro!r}, the architecture has "
            f"{', '.join(chip.macros)}"
        )
    cost, models = chip.macros[macro.macro], chip.models
    on_cells, off_cells = _driven_cells(counts.op, macro, chip)
    inferences = float(counts.inferences)
    lines = (macro.driven_word_lines + macro.dummy_word_lines) / inferences
    array, name = cost.crossbar, macro.macro

    def spend(part: str, energy_pj: Sourced, model: str, action: str, actions: float) -> None:
        ledger.spend(
            f"{name}.{part}", counts.op, energy_pj, model=model, action=action, actions=actions
        )

    on, off = on_cells / inferences, off_cells / inferences
    conversions = macro.conversions / inferences
    spend(
        "crossbar",
        array.energy_per_on_cell_pj * on + array.energy_per_off_cell_pj * off,
        models.crossbar,
        "read_cell",
        on + off,
    )
    spend(
        "adc",
        cost.converter.energy_per_conversion_pj * conversions,
        cost.converter_model,
        "convert",
        conversions,
    )
    spend(
        "drivers", array.energy_per_word_line_pj * lines, models.crossbar, "drive_word_line", lines
    )
    for width_bits, steps in sorted(macro.shift_adds.items()):
        each = chip.shift_adds.shift_add(width_bits).energy_pj
        done = steps / inferences
        spend("shift_add", each * done, models.shift_add, f"shift_add_{width_bits}bit", done)
    if chip.architecture.macros[name].writable:
        bits = (macro.programmed_zeros + macro.programmed_ones) / inferences
        rows = macro.row_writes / inferences
        energy = array.energy_per_written_bit_pj * bits + array.energy_per_word_line_pj * rows
        spend("write", energy, models.crossbar, "write_bit", bits)


def _driven_cells(op: str, macro: MacroCounts, chip: ChipCost) -> tuple[float, float]:
    """Fully conducting cells and driven cells that did not, over all conversions.

    Shares of an on current, from cells or word lines of several bits, count as shares of a cell.
    """
    histogram, kind = macro.column_sum_histogram, chip.architecture.macros[macro.macro]
    if sum(histogram) != macro.conversions or len(histogram) not in (0, load_max(kind) + 1):
        raise SimulationError(
            f"op {op!r}, macro {macro.macro!r}: a column-sum histogram of {len(histogram)} entries "
            f"and {sum(histogram)} counts does not fit {kind.crossbar.active_rows} active rows and "
            f"{macro.conversions} conversions"
        )
    load = sum(conducting * number for conducting, number in enumerate(histogram))
    per_cell = ((1 << kind.crossbar.cell.bits) - 1) * ((1 << kind.inputs.bits_per_cycle) - 1)
    on = load if per_cell == 1 else load / per_cell
    lines = kind.slices // kind.slice_conversions * (kind.planes // kind.plane_conversions)
    return on, kind.crossbar.active_rows * lines * macro.conversions - on


def _spend_unit(
    ledger: _Ledger,
    chip: ChipCost,
    mapped: MappedWorkload,
    counts: ActionCounts,
    unit: UnitCounts,
) -> None:
    hardware = mapped.op(counts.op).op.hardware
    if hardware is None or unit.function not in chip.unit_areas_um2:
        raise SimulationError(
            f"op {counts.op!r}: counts of unit {unit.function!r}, but the operation declares no "
            f"hardware of one of {', '.join(chip.unit_areas_um2)}"
        )
    terms = []
    rows = 0.0
    for length, invocations in sorted(unit.invocations_by_length.items()):
        share = invocations / counts.inferences
        rows += share
        terms += [
            chip.unit_operations.operation(operation.kind, operation.width_bits).energy_pj
            * (number * share)
            for operation, number in hardware.operations(length).items()
        ]
    ledger.spend(
        f"units.{unit.function}",
        counts.op,
        total(terms),
        model=chip.models.units,
        action="row",
        actions=rows,
    )


def _spend_movement(
    ledger: _Ledger, chip: ChipCost, counts: ActionCounts, moved: MovedBits
) -> None:
    models = chip.models
    moves = (
        (
            "tile_buffer",
            moved.tile_buffer_read_bits + moved.tile_buffer_write_bits,
            chip.tile_buffer.energy_per_bit_pj,
            models.buffer,
            "move_bit",
        ),
        (
            "global_buffer",
            moved.global_buffer_read_bits + moved.global_buffer_write_bits,
            chip.global_buffer.energy_per_bit_pj,
            models.buffer,
            "move_bit",
        ),
        ("noc", moved.link_bits, chip.noc.energy_per_bit_hop_pj, models.noc, "hop_bit"),
    )
    for component, total_bits, each, model, action in moves:
        bits = total_bits / counts.inferences
        ledger.spend(component, counts.op, each * bits, model=model, action=action, actions=bits)


def _spend_leakage(
    ledger: _Ledger, chip: ChipCost, mapped: MappedWorkload, timeline: Timeline
) -> None:
    latency_ns = timeline.latency_ps / PS_PER_NS
    for component, power_mw, model in _leakage(chip, mapped, timeline):
        ledger.spend(
            f"leakage.{component}",
            None,
            power_mw * latency_ns,  # mW · ns = pJ
            model=model,
            action="leak_ns",
            actions=latency_ns,
        )


def _leakage(
    chip: ChipCost, mapped: MappedWorkload, timeline: Timeline
) -> Iterator[tuple[str, Sourced, str]]:
    """Component, leakage power [mW] and model of what leaks all through the inference."""
    models, point = chip.models, chip.point
    working = float(len(_working_tiles(mapped)))
    for name, macro in chip.macros.items():
        used = float(mapped.macros_used.get(name, 0))
        if used and macro.crossbar.cells_leakage_mw.value:
            yield name, macro.crossbar.cells_leakage_mw * used, models.crossbar
    yield "tile_buffer", chip.tile_buffer.leakage_mw * working, models.buffer
    yield "global_buffer", chip.global_buffer.leakage_mw, models.buffer
    routers = float(len(_working_tiles(mapped) | _crossed_tiles(timeline)))
    yield "noc", logic_leakage_mw(chip.noc.area_per_tile_um2, point) * routers, models.noc


def _spend_reading_leakage(ledger: _Ledger, chip: ChipCost, counts: Sequence[ActionCounts]) -> None:
    """Leakage of each macro's drivers and shift-and-add, for as long as its reads take."""
    read_ps = service_times(chip.architecture).read_ps
    for name, macro in chip.macros.items():
        reads = sum(
            part.reads / one.inferences
            for one in counts
            for part in one.macros
            if part.macro == name
        )
        busy_ns = reads * read_ps[name] / PS_PER_NS
        logic = macro.crossbar.drivers_area_um2 + macro.shift_add_area_um2
        ledger.spend(
            f"leakage.{name}",
            None,
            logic_leakage_mw(logic, chip.point) * busy_ns,  # mW · ns = pJ
            model=chip.models.shift_add,
            action="leak_ns",
            actions=busy_ns,
        )


def _spend_unit_leakage(ledger: _Ledger, chip: ChipCost, timeline: Timeline) -> None:
    """Leakage of each kind of digital unit, for as long as its instances work."""
    busy_ps = dict.fromkeys(chip.unit_areas_um2, 0)
    for index, (name, kind) in enumerate(
        zip(timeline.resources, timeline.resource_classes, strict=True)
    ):
        if kind == "vector_unit":
            mine = timeline.resource == index
            function = name.split(":")[1]
            busy_ps[function] += int((timeline.end_ps[mine] - timeline.start_ps[mine]).sum())
    for function, time_ps in busy_ps.items():
        busy_ns = time_ps / PS_PER_NS
        power_mw = logic_leakage_mw(chip.unit_areas_um2[function], chip.point)
        ledger.spend(
            "leakage.units",
            None,
            power_mw * busy_ns,  # mW · ns = pJ
            model=chip.models.units,
            action="leak_ns",
            actions=busy_ns,
        )


def _crossed_tiles(timeline: Timeline) -> set[int]:
    """Tiles at whose routers a link ends that carried something: ``noc:0>1``."""
    ends = (
        end
        for name in timeline.resources
        if name.startswith("noc:") and ">" in name
        for end in name.removeprefix("noc:").split(">")
    )
    return {int(end) for end in ends if end.isdigit()}


def _working_tiles(mapped: MappedWorkload) -> set[int]:
    """Tiles that hold a block of an operand or assemble the output of an operation."""
    homes = {op.tile for op in mapped.ops}
    return homes.union(
        block.tile for op in mapped.ops if op.placement is not None for block in op.placement.blocks
    )


def _areas(chip: ChipCost) -> Iterator[tuple[str, Sourced, str]]:
    """Component, area of all its instances [µm²] and model."""
    architecture, models = chip.architecture, chip.models
    tiles = float(architecture.chip.tiles)
    for name, macro in chip.macros.items():
        instances = tiles * architecture.tile.macros.get(name, 0)
        if instances:
            yield from _macro_areas(name, macro, chip, instances)
    for function, area_um2 in chip.unit_areas_um2.items():
        yield f"units.{function}", area_um2 * tiles, models.units
    yield "tile_buffer", chip.tile_buffer.area_um2 * tiles, models.buffer
    yield "global_buffer", chip.global_buffer.area_um2, models.buffer
    yield "noc", chip.noc.area_per_tile_um2 * tiles, models.noc


def _macro_areas(
    name: str, macro: MacroCost, chip: ChipCost, instances: float
) -> Iterator[tuple[str, Sourced, str]]:
    models = chip.models
    converters = macro.converter.area_um2 * float(macro.converters)
    yield f"{name}.crossbar", macro.crossbar.cells_area_um2 * instances, models.crossbar
    yield f"{name}.drivers", macro.crossbar.drivers_area_um2 * instances, models.crossbar
    yield f"{name}.adc", converters * instances, macro.converter_model
    yield f"{name}.shift_add", macro.shift_add_area_um2 * instances, models.shift_add
