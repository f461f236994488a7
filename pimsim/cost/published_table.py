"""What a chip costs by its authors' own component table.

Which question this module answers: *what do the published rows of this chip say that an action
costs, that the chip takes in area, and that it draws with everything at work?*

A cost variant with a ``table`` (:class:`pimsim.config.component_table.ComponentTable`) is rolled up
from its rows: every action of the macros, every bit moved, and the rows that draw power all through
an inference. The units that pimsim adds so that the chip can run a transformer (softmax, LayerNorm,
the array for products of two activations, ...) keep pimsim's models and are booked as
``extension.<unit>``, so that they can be told from what was published.

Three kinds of numbers follow, and they must not be mixed up:

- *peak*: every instance at its published power and every macro reading without a pause. This is
  what papers quote, and what :func:`peak_powers_mw` gives.
- *energy of a run*: counts times energy per action.
- *area*: instances times area, without the extension.

Not modelled: leakage and power gating beyond what rows state; the area between blocks, unless it is
a row; rows without a published energy or power spend none, which the chip's notes name.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from pimsim.config.architecture import Architecture, CostModels
from pimsim.config.component_table import READOUT_ACTIONS, Component, ComponentTable
from pimsim.cost.service_times import service_times
from pimsim.cost.sourced import Sourced, exact, library_constant, setting
from pimsim.errors import ModelRangeError
from pimsim.records import MacroCounts, MovedBits
from pimsim.units import PS_PER_NS

MODEL: Final = "published_table"
"""Name of this model in results."""
EXTENSION: Final = "extension"
"""What comes before the unit in the name of a component that was not published."""


class Spending(NamedTuple):
    """Energy of one kind of action on one kind of component."""

    component: str
    """``"<macro>.<row>"``, ``"tile.<row>"`` or ``"chip.<row>"``."""
    energy_pj: Sourced
    action: str
    actions: float


class Table(NamedTuple):
    """The table of one variant on its chip."""

    architecture: Architecture
    rows: ComponentTable


def table_of(architecture: Architecture, models: CostModels) -> Table | None:
    """The component table of a variant; ``None`` if it is costed by pimsim's models.

    Raises
    ------
    ModelRangeError
        If a row does not say which of several macro kinds it belongs to, names one that does not
        exist, or spends on what its macro does not do.
    """
    if models.table is None:
        return None
    table = Table(architecture, models.table)
    for name, row in models.table.components.items():
        if row.per == "macro":
            kind = _kind_of(table, name, row)
            if row.action in READOUT_ACTIONS and architecture.macros[kind].readout is None:
                raise ModelRangeError(
                    f"table row {name!r} spends on {row.action!r}, which only a macro with "
                    f"'readout' does; macros.{kind} has none"
                )
    return table


def macro_spending(table: Table, counts: MacroCounts, inferences: int) -> Iterator[Spending]:
    """Yield what the macros of one kind spend on one operation, per inference.

    Parameters
    ----------
    table
        The chip's table.
    counts
        What the macros did.
    inferences
        How many inferences the counts sum over.
    """
    done = _macro_actions(table.architecture, counts)
    for name, row in table.rows.components.items():
        if row.per != "macro" or row.action is None or _kind_of(table, name, row) != counts.macro:
            continue
        actions = done[row.action] / inferences
        energy_pj = _action_pj(table, name, row) * actions
        yield Spending(f"{counts.macro}.{name}", energy_pj, row.action, actions)


def movement_spending(table: Table, moved: MovedBits, inferences: int) -> Iterator[Spending]:
    """Yield what moving bits for one operation costs, per inference.

    Places that no row prices spend nothing.
    """
    bits = {
        "tile_buffer_bit": moved.tile_buffer_read_bits + moved.tile_buffer_write_bits,
        "global_buffer_bit": moved.global_buffer_read_bits + moved.global_buffer_write_bits,
        "link_bit": moved.link_bits,
        "memory_bit": moved.memory_read_bits + moved.memory_write_bits,
        "io_bit": moved.io_bits,
    }
    for name, row in table.rows.components.items():
        if row.action is not None and row.action in bits:
            actions = bits[row.action] / inferences
            energy_pj = _action_pj(table, name, row) * actions
            yield Spending(f"{row.per}.{name}", energy_pj, row.action, actions)


def standing_power_mw(table: Table, tiles: int) -> Iterator[tuple[str, Sourced]]:
    """Yield component and power of the rows that draw it all through an inference. [mW]

    Parameters
    ----------
    table
        The chip's table.
    tiles
        Tiles that work; rows of the others draw nothing.
    """
    for name, row in table.rows.components.items():
        if row.action == "latency":
            places = float(tiles) if row.per == "tile" else 1.0
            power = _power_mw(table, name, row) * _instances(row) * places
            yield f"{row.per}.{name}", power


def row_prices(table: Table) -> Iterator[Spending]:
    """Yield one action of every row that has one; rows that draw power all through are left out.

    What is ``busy`` is so for a nanosecond.
    """
    for name, row in table.rows.components.items():
        if row.action is not None and row.action != "latency":
            energy_pj = _action_pj(table, name, row)
            yield Spending(_component(table, name, row), energy_pj, row.action, 1.0)


def areas_um2(table: Table) -> Iterator[tuple[str, Sourced]]:
    """Yield component and area of all its instances on the chip, extension left out. [µm²]"""
    for name, row in table.rows.components.items():
        if row.area_um2 is not None:
            area = _leaf(table, name, "area_um2", row.area_um2) * _on_chip(table, name, row)
            yield _component(table, name, row), area.named(f"{name}.area_um2")


def peak_powers_mw(table: Table) -> Iterator[tuple[str, Sourced]]:
    """Yield component and power of all its instances, every one at work. [mW]

    A row with an energy per action instead of a power is taken at the rate of a macro that reads
    without a pause; rows of buffers and network without a power are left out.
    """
    rates = _peak_rates_ghz(table.architecture)
    for name, row in table.rows.components.items():
        if row.power_mw is not None:
            power = _power_mw(table, name, row) * _on_chip(table, name, row)
        elif row.per == "macro" and row.action is not None:
            rate = rates[_kind_of(table, name, row)][row.action]
            macros = _on_chip(table, name, row) / _instances(row)
            power = _energy_pj(table, name, row) * exact("actions_ghz", rate, "ghz") * macros
        else:
            continue
        yield _component(table, name, row), power


def _macro_actions(architecture: Architecture, counts: MacroCounts) -> dict[str, float]:
    """How often each action happened, of one macro kind."""
    macro = architecture.macros[counts.macro]
    read_ns = service_times(architecture).read_ps[counts.macro] / PS_PER_NS
    done: dict[str, float] = {
        "read": counts.reads,
        "conversion": counts.conversions,
        "word_line": counts.driven_word_lines + counts.dummy_word_lines,
        "shift_add": sum(counts.shift_adds.values()),
        "busy": counts.reads * read_ns,
    }
    return done | _readout_actions(architecture, counts.macro, counts.reads / macro.planes)


def _readout_actions(architecture: Architecture, kind: str, vectors: float) -> dict[str, float]:
    macro = architecture.macros[kind]
    if macro.readout is None:
        return {}
    output_bits = (macro.adc.codes - 1).bit_length()
    steps = macro.readout.steps(macro.inputs.bits, output_bits)
    return {
        "input_bit": steps.input_bits * vectors,
        "readout_phase": steps.phases * vectors,
        "integration_step": steps.integration_steps * vectors,
        "conversion_step": steps.conversion_steps * vectors,
    }


def _peak_rates_ghz(architecture: Architecture) -> dict[str, dict[str, float]]:
    """Macro kind → action → how often it happens in one macro that reads all the time. [GHz]"""
    times = service_times(architecture)
    rates = {}
    for kind, macro in architecture.macros.items():
        per_read = macro.logical_cols * macro.slice_conversions
        share = macro.plane_conversions / macro.planes
        counts = MacroCounts(
            macro=kind,
            reads=macro.planes,
            conversions=round(per_read * share * macro.planes),
            driven_word_lines=macro.crossbar.active_rows * macro.planes,
            shift_adds={0: round(per_read * share * macro.planes)},
        )
        window_ns = times.read_ps[kind] / PS_PER_NS * macro.planes
        done = _macro_actions(architecture, counts)
        rates[kind] = {action: number / window_ns for action, number in done.items()}
    return rates


def _action_pj(table: Table, name: str, row: Component) -> Sourced:
    """Energy of one action on all instances that a macro, a tile or the chip has. [pJ]

    A published energy is that of the action; a power is that of one instance for a nanosecond.
    """
    if row.action == "busy":
        power = _power_mw(table, name, row) * _instances(row)
        return power * exact("busy_ns", 1.0, "ns")  # mW · ns = pJ
    return _energy_pj(table, name, row)


def _energy_pj(table: Table, name: str, row: Component) -> Sourced:
    """Energy of one action at the supply of the run. [pJ]"""
    if row.energy_pj is None:
        raise ModelRangeError(f"table row {name!r} has no energy_pj")
    energy = _leaf(table, name, "energy_pj", row.energy_pj)
    supply = table.rows.supply
    if supply is None or supply.at_v == table.architecture.pvt.supply_v:
        return energy
    swing = setting("pvt.supply_v", table.architecture.pvt.supply_v)
    return energy * (swing / setting("table.supply.at_v", supply.at_v)) ** supply.energy_exponent


def _power_mw(table: Table, name: str, row: Component) -> Sourced:
    if row.power_mw is None:
        raise ModelRangeError(f"table row {name!r} has no power_mw")
    return _leaf(table, name, "power_mw", row.power_mw)


def _leaf(table: Table, name: str, key: str, value: float) -> Sourced:
    """A number of the table with its source."""
    source = table.rows.source_of(name).at_node(table.architecture.node_nm)
    unit = key.split("_", maxsplit=1)[1]
    return library_constant(f"{name}.{key}", value, unit, source, "component table")


def _instances(row: Component) -> Sourced:
    """Instances per macro, tile or chip."""
    return setting("count", row.count) / float(row.shared_by)


def _on_chip(table: Table, name: str, row: Component) -> Sourced:
    """Instances on the whole chip."""
    architecture = table.architecture
    tiles = setting("chip.tiles", architecture.chip.tiles)
    if row.per == "chip":
        return _instances(row)
    if row.per == "tile":
        return _instances(row) * tiles
    kind = _kind_of(table, name, row)
    held = setting(f"tile.macros.{kind}", architecture.tile.macros.get(kind, 0))
    return _instances(row) * held * tiles


def _component(table: Table, name: str, row: Component) -> str:
    """Name of a row's component in results."""
    return f"{_kind_of(table, name, row) if row.per == 'macro' else row.per}.{name}"


def _kind_of(table: Table, name: str, row: Component) -> str:
    """Macro kind that a row belongs to."""
    kinds = table.architecture.macros
    if row.macro is not None and row.macro in kinds:
        return row.macro
    if row.macro is None and len(kinds) == 1:
        return next(iter(kinds))
    raise ModelRangeError(
        f"table row {name!r}: 'macro' must be one of {', '.join(kinds)} (found {row.macro})"
    )
