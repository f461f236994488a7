"""What it means to write operands of an inference into cells that wear out.

Which question this module answers: *how long does the writing take, what does it cost, and for how
many years do the cells last?*

Nothing here is estimated beyond the counts of the run: every cell that holds a part of such an
operand is taken to be written as often as the average one.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from pimsim.config.macros import WEARING_CELLS
from pimsim.mapping.mapped import MappedWorkload
from pimsim.records import ActionCounts, CostBreakdown, Timeline
from pimsim.units import PS_PER_US, uj_from_pj

_PS_PER_YEAR: Final = 365.25 * 24 * 3600 * 1e12


def write_notes(
    mapped: MappedWorkload,
    counts: Sequence[ActionCounts],
    timeline: Timeline,
    costs: CostBreakdown,
) -> tuple[str, ...]:
    """Say time, energy and life time of what is written into resistive or phase-change cells.

    Parameters
    ----------
    mapped
        The workload on its chip.
    counts
        What each operation did.
    timeline
        The replay of one inference.
    costs
        Of the variant that heads the report.

    Returns
    -------
    tuple of str
        One note for each kind of macro that is written so; none for other chips.
    """
    return tuple(_notes(mapped, counts, timeline, costs))


def _notes(
    mapped: MappedWorkload,
    counts: Sequence[ActionCounts],
    timeline: Timeline,
    costs: CostBreakdown,
) -> Iterator[str]:
    for name, macro in mapped.architecture.macros.items():
        cell, write = macro.crossbar.cell.model, macro.write
        if write is None or write.endurance_cycles is None or cell not in WEARING_CELLS:
            continue
        written = _cells_written(name, counts)
        if not written or not mapped.cells_used[name]:
            continue
        per_cell = written / mapped.cells_used[name]
        years = write.endurance_cycles / per_cell * timeline.latency_ps / _PS_PER_YEAR
        energy_uj = uj_from_pj(
            sum(item.energy_pj for item in costs.items if item.component == f"{name}.write")
        )
        yield (
            f"operands are written into {cell} cells of macros.{name}, "
            f"{_writing_us(name, timeline):.4g} µs and {energy_uj:.4g} µJ per inference; a cell is "
            f"written {per_cell:.3g} times per inference and survives {write.endurance_cycles:.3g} "
            f"writings: {years:.2g} years of inferences without a pause"
        )


def _cells_written(name: str, counts: Sequence[ActionCounts]) -> float:
    """Cells written during one inference, repeated writings included."""
    return sum(
        (macro.programmed_zeros + macro.programmed_ones) / one.inferences
        for one in counts
        for macro in one.macros
        if macro.macro == name
    )


def _writing_us(name: str, timeline: Timeline) -> float:
    """Time during which macros of a kind are written, one after another. [µs]"""
    ours = [
        index
        for index, (resource, kind) in enumerate(
            zip(timeline.resources, timeline.resource_classes, strict=True)
        )
        if kind == "write" and name in resource.split(":")
    ]
    busy_ps = sum(
        int((timeline.end_ps - timeline.start_ps)[timeline.resource == index].sum())
        for index in ours
    )
    return busy_ps / PS_PER_US
