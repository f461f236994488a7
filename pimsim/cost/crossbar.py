"""What a crossbar costs: conducting cells, word lines, writes, cells and drivers.

Which question this module answers: *what does one cell, one word line and one written bit cost, and
how large is the array?*

A clamped bit line draws the current of its driven cells from the array's supply while its value is
sampled, so the energy of a conversion follows the data: every conducting cell costs the on current,
every driven cell that does not conduct the off current. The converter works on the held sample, so
that a slow converter does not keep the cells conducting. A word line is a capacitance charged once
per activation through a tapered chain of buffers. A written bit swings one bit line of its column.

Not modelled: settling before the converter samples (lines are precharged), the circuits that hold
the samples, the area of dummy rows, resistance of the lines, sense margins, and programming of
read-only cells, which happens once and is no part of an inference. The on currents and the time
that cells conduct are the weakest constants of the whole library: published junctions and cells
span two orders of magnitude, and cells that conducted for a whole 10 ns read would take ten times
the energy given here.

References
----------
.. [1] I. Sutherland, B. Sproull, D. Harris, Logical Effort, Morgan Kaufmann, 1999.
"""

import math
from dataclasses import dataclass
from typing import Final

from pimsim.config.architecture import Macro
from pimsim.cost.parameters import constant
from pimsim.cost.sourced import Sourced
from pimsim.cost.technology import OperatingPoint, area_ratio, energy_ratio

_DATA_NODE_NM: Final = 28.0
_PJ_PER_FJ: Final = 1e-3


@dataclass(frozen=True, slots=True)
class CrossbarCost:
    """What one crossbar and its parts cost."""

    energy_per_on_cell_pj: Sourced
    """One conducting cell during one conversion. [pJ]"""
    energy_per_off_cell_pj: Sourced
    """One driven cell that does not conduct, during one conversion. [pJ]"""
    energy_per_word_line_pj: Sourced
    """One activation of one word line, dummy or not, for a read or a write. [pJ]"""
    energy_per_written_bit_pj: Sourced
    """One bit written, without the word line. [pJ]"""
    cells_area_um2: Sourced
    """All cells of one crossbar. [µm²]"""
    drivers_area_um2: Sourced
    """Word-line drivers and column circuits of one crossbar. [µm²]"""
    cells_leakage_mw: Sourced
    """All cells of one crossbar; nothing for a non-volatile memory. [mW]"""


def crossbar(macro: Macro, point: OperatingPoint) -> CrossbarCost:
    """Cost the crossbar of one macro.

    Parameters
    ----------
    macro
        Size and cell. A cell model other than ``mram`` and ``sram`` (such as
        ``ideal``) is costed as SRAM in a writable macro and as MRAM otherwise.
    point
        Technology node; the supply is not used: arrays keep their nominal one.

    Raises
    ------
    ModelRangeError
        If the node is outside the scaling tables.

    Notes
    -----
    With the on current ``I``, the array's supply ``V``, the sampling time ``t``, the on/off ratio
    ``r``, the line capacitance per cell ``C`` and the chain of drivers ``k``::

        E_on = I V t      E_off = E_on / r      E_word_line = k C cols V**2
        E_written_bit = C rows V**2

    An absent on/off ratio means no off current. ``C`` shrinks with the square root of the cell's
    area. The chain of drivers, buffers tapered by 4, adds a third to its load [1]_.

    Examples
    --------
    An on cell at 10 µA, 0.9 V and 1 ns draws 9 fJ.

    >>> from pimsim.config.architecture import Macro
    >>> macro = Macro.model_validate(dict(
    ...     writable=False, sync="plane", crossbar=dict(rows=1024, cols=1024, active_rows=8,
    ...     cell=dict(model="mram", bits=1, on_off_ratio=2.5)),
    ...     weights=dict(coding="twos_complement", bits=8),
    ...     inputs=dict(coding="twos_complement", bits=8, bits_per_cycle=1),
    ...     zero_skipping=dict(model="none"), read_time_ns=10.0,
    ...     adc=dict(model="flash", levels=9, columns_per_adc=1, conversion_time_ns=1.0,
    ...     reference="fixed", trim="none")))
    >>> round(crossbar(macro, OperatingPoint(28.0)).energy_per_on_cell_pj.value, 6)
    0.009
    """
    array, volatile = macro.crossbar, _is_sram(macro)
    cells = float(array.rows * array.cols)
    supply_v = constant("crossbar", "array_supply_v")
    on_energy = (
        constant("crossbar", "sram_on_current_ua" if volatile else "mram_on_current_ua")
        * supply_v
        * constant("crossbar", "sense_time_ns")
        * _PJ_PER_FJ  # µA · V · ns = fJ
    )
    ratio = array.cell.on_off_ratio
    line_energy = _line_capacitance_ff(point) * supply_v * supply_v * _PJ_PER_FJ
    shrink = area_ratio(_DATA_NODE_NM, point.node_nm)
    cell_leakage = (
        constant("crossbar", "sram_leakage_per_cell_mw")
        * energy_ratio(_DATA_NODE_NM, point.node_nm)
        if volatile
        else Sourced(0.0)
    )
    return CrossbarCost(
        energy_per_on_cell_pj=on_energy,
        energy_per_off_cell_pj=Sourced(0.0) if ratio is None else on_energy / ratio,
        energy_per_word_line_pj=line_energy
        * float(array.cols)
        * constant("crossbar", "driver_chain_ratio"),
        energy_per_written_bit_pj=line_energy * float(array.rows),
        cells_area_um2=_cell_area_um2(volatile) * cells * shrink,
        drivers_area_um2=(
            constant("crossbar", "driver_area_per_word_line_um2") * float(array.rows)
            + constant("crossbar", "column_area_per_bit_line_um2") * float(array.cols)
        )
        * shrink,
        cells_leakage_mw=cell_leakage * cells,
    )


def _is_sram(macro: Macro) -> bool:
    model = macro.crossbar.cell.model
    return macro.writable if model not in ("mram", "sram") else model == "sram"


def _cell_area_um2(volatile: bool) -> Sourced:
    ratio = "sram_8t_per_6t_area_ratio" if volatile else "mram_per_6t_area_ratio"
    return constant("crossbar", "sram_6t_cell_area_um2") * constant("crossbar", ratio)


def _line_capacitance_ff(point: OperatingPoint) -> Sourced:
    shrink = area_ratio(_DATA_NODE_NM, point.node_nm)
    side = Sourced(math.sqrt(shrink.value), shrink.sources)
    return constant("crossbar", "line_capacitance_per_cell_ff") * side
