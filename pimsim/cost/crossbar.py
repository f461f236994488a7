"""What a crossbar costs: conducting cells, word lines, writes, cells and periphery.

Which question this module answers: *what does one cell, one word line, one read and one written bit
cost, and how large is the array?*

A clamped bit line draws the current of its driven cells from the array's supply while its value is
sampled, so the energy of a conversion follows the data: every conducting cell costs the on current,
every driven cell that does not conduct the off current. How long cells conduct is a constant of
their kind (:mod:`pimsim.cost.crossbar_cells`); then the word line falls, and the converter works on
the held sample, so that a slow converter does not keep the cells conducting. Whether a clamp
supplies that charge during the read or a precharge puts it back afterwards makes no difference:
charge times supply is the same, for SRAM as for resistive cells. A bit line that is not clamped
cannot lose more than ``C rows V``, so that for a short one the energy given here is an upper bound.

A word line is a capacitance charged once per activation through a tapered chain of buffers. An
address turns on one predecoded line in each group of eight, which runs along all rows. Word lines
that carry more than one bit need a DAC; columns that share a converter need a hold capacitor each.

A written bit swings one bit line of its column (SRAM) or takes programming pulses, each followed by
a read of the cell (MRAM, ReRAM, PCM).

Not modelled: settling before the converter samples (bit lines are held at the clamp voltage
between reads), the area of dummy rows, resistance of the lines, sense margins, the arbitrary row
selection of zero-skipping controllers, corners and temperature of the cells' currents, disturbs,
and of a read that verifies a pulse, the word line and the decision.
Cells that conducted for a whole 10 ns read would take several times the energy given here.

References
----------
.. [1] I. Sutherland, B. Sproull, D. Harris, Logical Effort, Morgan Kaufmann, 1999.
.. [2] B. Murmann, Thermal noise in track-and-hold circuits, IEEE Solid-State Circuits Magazine
   4(2), 2012.
.. [3] H. Valavi et al., A 64-Tile 2.4-Mb In-Memory-Computing CNN Accelerator Employing
   Charge-Domain Compute, IEEE J. Solid-State Circuits 54(6), 2019.
"""

from dataclasses import dataclass, replace
from typing import Final

from pimsim.analog.pvt import ZERO_DEGC_IN_K
from pimsim.config.architecture import Macro
from pimsim.cost.converter import resolution_bits
from pimsim.cost.crossbar_cells import (
    DATA_NODE_NM,
    cell_area_um2,
    electrics,
    kind_of,
    pulse_energies_pj,
)
from pimsim.cost.parameters import constant
from pimsim.cost.sourced import Sourced, exact, largest, setting, sqrt
from pimsim.cost.technology import OperatingPoint, area_ratio, energy_ratio, leakage_ratio

_PJ_PER_FJ: Final = 1e-3
_DAC_NODE_NM: Final = 40.0
_DAC_BITS: Final = 8
_BITS_PER_PREDECODER: Final = 3
_BOLTZMANN_FF_V2_PER_K: Final = 1.380649e-8
"""Boltzmann constant, exact since 2019 (SI). [fF V²/K]"""
_NOTHING: Final = Sourced(0.0)


@dataclass(frozen=True, slots=True)
class CrossbarCost:
    """What one crossbar and its parts cost."""

    energy_per_on_cell_pj: Sourced
    """One conducting cell during one conversion. [pJ]"""
    energy_per_off_cell_pj: Sourced
    """One driven cell that does not conduct, during one conversion. [pJ]"""
    energy_per_word_line_pj: Sourced
    """One activation of one word line, dummy or not, for a read or a write. [pJ]"""
    energy_per_written_zero_pj: Sourced
    """One cell written to 0, without the word line; with programming pulses, one pulse. [pJ]"""
    energy_per_written_one_pj: Sourced
    """The same to 1. [pJ]"""
    cells_area_um2: Sourced
    """All cells of one crossbar. [µm²]"""
    drivers_area_um2: Sourced
    """Word-line drivers and column circuits of one crossbar. [µm²]"""
    cells_leakage_mw: Sourced
    """All cells of one crossbar; nothing for a non-volatile memory. [mW]"""
    energy_per_decode_pj: Sourced = _NOTHING
    """One address: a read, or a write of one row. [pJ]"""
    energy_per_dac_pj: Sourced = _NOTHING
    """One word line set to a level of several; nothing where word lines carry one bit. [pJ]"""
    energy_per_hold_pj: Sourced = _NOTHING
    """One sample held for a shared converter; nothing where none is shared. [pJ]"""
    dacs_area_um2: Sourced = _NOTHING
    """Of one crossbar, one for each active row. [µm²]"""
    holds_area_um2: Sourced = _NOTHING
    """Of one crossbar, one for each column. [µm²]"""


def crossbar(macro: Macro, point: OperatingPoint) -> CrossbarCost:
    """Cost the crossbar of one macro whose cells conduct.

    Parameters
    ----------
    macro
        Size and cell. A cell model that is not in
        :data:`pimsim.cost.crossbar_cells.KINDS` (such as ``ideal``) is costed as SRAM in a
        writable macro and as MRAM otherwise.
    point
        Technology node, nominal supply and temperature; the supply of the logic is not used.

    Raises
    ------
    ModelRangeError
        If the node is outside the scaling tables, or cells are stated to conduct for longer than
        a read takes.

    Notes
    -----
    With the on current ``I``, the nominal supply ``V``, the conduction time ``t``, the on/off
    ratio ``r``, the line capacitance per cell ``C`` and the chain of drivers ``k``::

        E_on = I V t      E_off = E_on / r      E_word_line = k C cols V**2
        E_decode = ceil(log2(rows) / 3) C rows V**2
        E_written_bit = C rows V**2 (SRAM), E_pulse + E_on (others)

    An absent on/off ratio means no off current. ``C`` shrinks with the square root of the cell's
    area. The chain of drivers, buffers tapered by 4, adds a third to its load [1]_. A DAC of ``b``
    bits takes ``2**(b - 8)`` of a published 8-bit one. A hold capacitor is as large as noise no
    greater than the converter's quantization noise asks for, ``12 k_B T 4**ENOB / V**2`` [2]_.

    Examples
    --------
    An on cell of MRAM at 10 µA, 0.9 V and 2.8 ns draws 25 fJ.

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
    0.0252
    """
    supply_v = _array_supply_v(point)
    cell = electrics(macro)
    on_energy = cell.current_ua * supply_v * cell.time_ns * _PJ_PER_FJ  # µA · V · ns = fJ
    return _with_periphery(macro, point, on_energy.named("energy_per_on_cell_pj"))


def charge_crossbar(macro: Macro, point: OperatingPoint) -> CrossbarCost:
    """Cost a crossbar whose cells each drive a capacitor of the column [3]_.

    Parameters
    ----------
    macro
        Size and cell; on/off ratio, conductance and conduction time do not matter.
    point
        Technology node and nominal supply.

    Raises
    ------
    ModelRangeError
        If the node is outside the scaling tables.

    Notes
    -----
    A cell whose product is 1 charges its capacitor ``C_u`` to the nominal supply, ``E_on = C_u
    V**2``; one whose product is 0 leaves it discharged. The capacitor lies above the cell and takes
    no area of its own. Everything else is as in :func:`crossbar`.
    """
    supply_v = _array_supply_v(point)
    unit_ff = constant("crossbar", "charge_unit_capacitor_ff")
    on_energy = (unit_ff * supply_v * supply_v * _PJ_PER_FJ).named("energy_per_on_cell_pj")
    cost = _with_periphery(macro, point, on_energy)
    return replace(cost, energy_per_off_cell_pj=_NOTHING)


def _array_supply_v(point: OperatingPoint) -> Sourced:
    return setting("pvt.nominal_supply_v", point.nominal_supply_v)


def _with_periphery(macro: Macro, point: OperatingPoint, on_energy: Sourced) -> CrossbarCost:
    array, kind, supply_v = macro.crossbar, kind_of(macro), _array_supply_v(point)
    rows, cols = setting("crossbar.rows", array.rows), setting("crossbar.cols", array.cols)
    ratio = array.cell.on_off_ratio
    line_energy = _line_capacitance_ff(point) * supply_v * supply_v * _PJ_PER_FJ
    shrink = area_ratio(DATA_NODE_NM, point.node_nm)
    groups = -(-(array.rows - 1).bit_length() // _BITS_PER_PREDECODER)
    zero_pj = one_pj = line_energy * rows
    pulses = pulse_energies_pj(macro)
    if pulses is not None:
        zero_pj, one_pj = (pulse + on_energy for pulse in pulses)
    word_line = line_energy * cols * constant("crossbar", "driver_chain_ratio")
    drivers = (
        constant("crossbar", "driver_area_per_word_line_um2") * rows
        + constant("crossbar", "column_area_per_bit_line_um2") * cols
    )
    leakage = _NOTHING
    if kind == "sram":
        leakage = constant("crossbar", "sram_leakage_per_cell_mw") * (rows * cols)
        leakage = leakage * energy_ratio(DATA_NODE_NM, point.node_nm) * leakage_ratio(point)
    dac_pj, dacs_um2 = _dac(macro, point)
    hold_pj, holds_um2 = _hold(macro, point)
    return CrossbarCost(
        energy_per_on_cell_pj=on_energy,
        energy_per_off_cell_pj=_NOTHING
        if ratio is None
        else (on_energy / setting("cell.on_off_ratio", ratio)).named("energy_per_off_cell_pj"),
        energy_per_word_line_pj=word_line.named("energy_per_word_line_pj"),
        energy_per_written_zero_pj=zero_pj.named("energy_per_written_zero_pj"),
        energy_per_written_one_pj=one_pj.named("energy_per_written_one_pj"),
        cells_area_um2=(cell_area_um2(kind, point) * (rows * cols)).named("cells_area_um2"),
        drivers_area_um2=(drivers * shrink).named("drivers_area_um2"),
        cells_leakage_mw=leakage,
        energy_per_decode_pj=(
            line_energy * rows * exact("groups of predecoded address bits", groups)
        ).named("energy_per_decode_pj"),
        energy_per_dac_pj=dac_pj,
        energy_per_hold_pj=hold_pj,
        dacs_area_um2=dacs_um2,
        holds_area_um2=holds_um2,
    )


def _dac(macro: Macro, point: OperatingPoint) -> tuple[Sourced, Sourced]:
    """Energy per word line [pJ] and area of one crossbar's DACs [µm²]."""
    bits = macro.inputs.bits_per_cycle
    if bits == 1:
        return _NOTHING, _NOTHING
    share = exact(f"2**({bits} - {_DAC_BITS})", 2.0 ** (bits - _DAC_BITS))
    to_v = point.nominal_supply_v
    energy = constant("crossbar", "dac_8bit_energy_pj") * energy_ratio(
        _DAC_NODE_NM, point.node_nm, to_v=to_v
    )
    area = constant("crossbar", "dac_8bit_area_um2") * area_ratio(_DAC_NODE_NM, point.node_nm)
    active = setting("crossbar.active_rows", macro.crossbar.active_rows)
    return (
        (energy * share).named("energy_per_dac_pj"),
        (area * share * active).named("dacs_area_um2"),
    )


def _hold(macro: Macro, point: OperatingPoint) -> tuple[Sourced, Sourced]:
    """Energy per held sample [pJ] and area of one crossbar's hold capacitors [µm²]."""
    if macro.adc.columns_per_adc == 1:
        return _NOTHING, _NOTHING
    supply_v = _array_supply_v(point)
    kelvin = setting("pvt.temperature_degc", point.temperature_degc) + ZERO_DEGC_IN_K
    thermal = exact("Boltzmann constant", _BOLTZMANN_FF_V2_PER_K) * kelvin
    squared = exact("4**ENOB", 4.0 ** resolution_bits(macro.adc))
    noise_ff = thermal * squared * 12.0 / (supply_v * supply_v)
    hold_ff = largest(noise_ff, constant("crossbar", "hold_smallest_ff")).named("hold_ff")
    switch = constant("crossbar", "hold_switch_area_um2") * area_ratio(DATA_NODE_NM, point.node_nm)
    area = hold_ff * constant("adc", "capacitor_area_per_ff_um2") + switch
    cols = setting("crossbar.cols", macro.crossbar.cols)
    return (
        (hold_ff * supply_v * supply_v * _PJ_PER_FJ).named("energy_per_hold_pj"),
        (area * cols).named("holds_area_um2"),
    )


def _line_capacitance_ff(point: OperatingPoint) -> Sourced:
    side = sqrt(area_ratio(DATA_NODE_NM, point.node_nm))
    return (constant("crossbar", "line_capacitance_per_cell_ff") * side).named(
        "line_capacitance_per_cell_ff", "ff"
    )
