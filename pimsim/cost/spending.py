"""Switching energy of operations: counts times prices.

Which question this module answers: *what did the actions of one operation cost, component by
component?*
"""

from collections.abc import Iterable, Iterator, Mapping

from pimsim.analog.coding import load_max
from pimsim.cost import published_table
from pimsim.cost.basis import CostBasis
from pimsim.cost.chip import ChipCost
from pimsim.cost.crossbar_cells import kind_of
from pimsim.cost.ledger import Ledger
from pimsim.cost.prices import (
    Price,
    array_read_price,
    macro_prices,
    overhead_price,
    shift_add_price,
    unit_price,
    wide_shift_add_price,
)
from pimsim.cost.unit_hardware import built_hardware
from pimsim.errors import SimulationError
from pimsim.integer.hardware import UnitHardware
from pimsim.records import ActionCounts, MacroCounts, MovedBits, UnitCounts


def spend_op(
    ledger: Ledger,
    chip: ChipCost,
    basis: CostBasis,
    counts: ActionCounts,
    moves: Mapping[str, Price],
) -> None:
    """Book what one operation did.

    Parameters
    ----------
    ledger
        Takes the lines.
    chip
        What components cost.
    basis
        What there is to know of the mapping.
    counts
        What the operation did.
    moves
        :func:`pimsim.cost.prices.movement_prices` of the chip; not used with a component table.

    Raises
    ------
    SimulationError
        If counts contradict the architecture or each other.
    """
    if counts.inferences < 1:
        raise SimulationError(
            f"op {counts.op!r}: counts over {counts.inferences} inferences cannot be costed"
        )
    spent: list[Price] = []
    for macro in counts.macros:
        spent += spend_macro(ledger, chip, counts, macro, basis.rounds)
    for unit in counts.units:
        spent += _spend_unit(ledger, chip, basis, counts, unit)
    if chip.table is not None:
        _spend_rows(
            ledger,
            counts.op,
            published_table.movement_spending(chip.table, counts.moved, counts.inferences),
        )
    else:
        spent += _spend_movement(ledger, counts, moves, counts.moved)
    overhead = overhead_price(chip, spent)
    if overhead.energy_pj.value:
        ledger.book(overhead, counts.op, 1.0)


def spend_macro(
    ledger: Ledger, chip: ChipCost, counts: ActionCounts, macro: MacroCounts, rounds: int = 1
) -> list[Price]:
    """Book what macros of one kind did for one operation, and return it.

    Parameters
    ----------
    ledger
        Takes the lines.
    chip
        What components cost.
    counts
        The operation.
    macro
        One of its macro counts.
    rounds
        Programmings of the macros during one inference; above 1, writes of read-only macros are
        booked, too.

    Raises
    ------
    SimulationError
        If counts contradict the architecture or each other.
    """
    if macro.macro not in chip.architecture.macros:
        raise SimulationError(
            f"op {counts.op!r}: counts name macro {macro.macro!r}, the architecture has "
            f"{', '.join(chip.architecture.macros)}"
        )
    if chip.table is not None:
        _spend_rows(
            ledger, counts.op, published_table.macro_spending(chip.table, macro, counts.inferences)
        )
        return []
    read = array_read_price(chip, macro.macro)
    if read is not None:
        ledger.spend(read, counts.op, macro.reads / counts.inferences)
        return []
    prices = macro_prices(chip, macro.macro)
    lines = macro.driven_word_lines + macro.dummy_word_lines
    on_cells, off_cells = _driven_cells(counts.op, macro, chip)
    done = {
        "read_on_cell": on_cells,
        "read_off_cell": off_cells,
        "convert": macro.conversions,
        "drive_word_line": lines,
        "decode": macro.reads,
        "skip_zeros": macro.reads,
        "set_dac": lines,
        "hold": macro.conversions,
        **_writes(chip, macro, rounds),
    }
    actions = [(prices[action], number) for action, number in done.items() if action in prices]
    actions += _shift_adds(chip, macro)
    return [ledger.spend(price, counts.op, number / counts.inferences) for price, number in actions]


def _shift_adds(chip: ChipCost, macro: MacroCounts) -> Iterator[tuple[Price, float]]:
    """Steps of the recombination at each width: one per conversion, then those of groups.

    Schemes whose operands share shifts put groups together in accumulators that are wider than
    those of the conversions.
    """
    left = macro.conversions
    for width_bits, steps in sorted(macro.shift_adds.items()):
        combining = min(left, steps)
        left -= combining
        yield shift_add_price(chip, macro.macro, width_bits), combining
        yield wide_shift_add_price(chip, macro.macro, width_bits), steps - combining


def _writes(chip: ChipCost, macro: MacroCounts, rounds: int) -> dict[str, float]:
    """Cells or programming pulses and word lines written during an inference.

    Static weights are written once, before the first inference, unless macros are multiplexed in
    time. Cells that take pulses take all that were counted, in the proportion of their values.
    """
    kind = chip.architecture.macros[macro.macro]
    if not kind.writable and rounds == 1:
        return {}
    cells = macro.programmed_zeros + macro.programmed_ones
    pulsed = cells and kind_of(kind) != "sram"
    pulses = max(1.0, macro.program_pulses / cells) if pulsed else 1.0
    return {
        "write_zero": macro.programmed_zeros * pulses,
        "write_one": macro.programmed_ones * pulses,
        "drive_to_write": macro.row_writes,
    }


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
    ledger: Ledger,
    chip: ChipCost,
    basis: CostBasis,
    counts: ActionCounts,
    unit: UnitCounts,
) -> list[Price]:
    hardware = _hardware(chip, basis, counts.op, unit.function)
    if not chip.models_unit(unit.function):
        return []  # power times busy time, of all operations together
    group = "units" if chip.table is None else published_table.EXTENSION
    return [
        ledger.spend(
            unit_price(chip, f"{group}.{unit.function}", hardware, length),
            counts.op,
            invocations / counts.inferences,
        )
        for length, invocations in sorted(unit.invocations_by_length.items())
    ]


def _hardware(chip: ChipCost, basis: CostBasis, op: str, function: str) -> UnitHardware:
    """What an operation declares; for products of two activations, what the array is built for."""
    hardware = basis.hardware.get(op)
    array = chip.architecture.units.mac_array
    if hardware is None and function == "mac_array" and array is not None:
        return built_hardware(array.model)
    if hardware is None or function not in chip.unit_areas_um2:
        raise SimulationError(
            f"op {op!r}: counts of unit {function!r}, but the operation declares no hardware of "
            f"one of {', '.join(chip.unit_areas_um2)}"
        )
    return hardware


def _spend_movement(
    ledger: Ledger, counts: ActionCounts, moves: Mapping[str, Price], moved: MovedBits
) -> list[Price]:
    spent = []
    in_tiles = moved.tile_buffer_read_bits + moved.tile_buffer_write_bits
    bits = {
        "tile_buffer_read_bits": moved.tile_buffer_read_bits,
        "tile_buffer_write_bits": moved.tile_buffer_write_bits,
        "tile_wires": in_tiles,
        "global_buffer_read_bits": moved.global_buffer_read_bits,
        "global_buffer_write_bits": moved.global_buffer_write_bits,
        "link_bits": moved.link_bits,
        "memory_read_bits": moved.memory_read_bits,
        "memory_write_bits": moved.memory_write_bits,
        "io_bits": moved.io_bits,
    }
    for what, number in bits.items():
        if not number:
            continue
        if what not in moves:
            raise SimulationError(
                f"op {counts.op!r}: {number} {what}, but the chip has no {what.split('_')[0]}"
            )
        spent.append(ledger.spend(moves[what], counts.op, number / counts.inferences))
    return spent


def _spend_rows(ledger: Ledger, op: str, spendings: Iterable[published_table.Spending]) -> None:
    """Book what the rows of a chip's own component table say."""
    for component, energy_pj, action, actions in spendings:
        ledger.book(Price(component, action, energy_pj, published_table.MODEL), op, actions)
