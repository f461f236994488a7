"""What the memory cells of a crossbar draw, take and cost to write, by kind of cell.

Which question this module answers: *which current flows through a conducting cell of this kind, for
how long, what does one programming pulse take, and how large is the cell?*

The on currents and the time that cells conduct are the weakest constants of the whole library:
published junctions and cells span two orders of magnitude. A file that knows better says so in
``crossbar.cell.conduction``.
"""

from dataclasses import dataclass
from typing import Final

from pimsim.config.architecture import Macro
from pimsim.cost.parameters import constant
from pimsim.cost.sourced import Sourced, setting, smallest
from pimsim.cost.technology import OperatingPoint, area_ratio
from pimsim.errors import ModelRangeError

DATA_NODE_NM: Final = 28.0
KINDS: Final = ("mram", "sram", "reram", "pcm")
"""Cells whose constants are known. A cell of any other model, such as ``ideal``, is costed as SRAM
in a writable macro and as MRAM otherwise."""


@dataclass(frozen=True, slots=True)
class CellElectrics:
    """One conducting cell."""

    current_ua: Sourced
    """In its on state. [µA]"""
    time_ns: Sourced
    """How long it conducts in one read. [ns]"""


def kind_of(macro: Macro) -> str:
    """Return the kind of cell whose constants a macro is costed with, one of :data:`KINDS`."""
    model = macro.crossbar.cell.model
    if model in KINDS:
        return model
    return "sram" if macro.writable else "mram"


def electrics(macro: Macro) -> CellElectrics:
    """Return current and conduction time of an on cell.

    Notes
    -----
    Resistive cells carry conductance times read voltage, SRAM cells the current of their regulated
    read port. What ``crossbar.cell.conduction`` states goes before the library. A cell never
    conducts for longer than ``read_time_ns``, the whole activation of its word line.

    Raises
    ------
    ModelRangeError
        If the file states a conduction time longer than ``read_time_ns``, or of an SRAM cell only
        one of conductance and voltage: its current in the library is that of a regulated read port,
        which is no conductance times a voltage.
    """
    kind, stated = kind_of(macro), macro.crossbar.cell.conduction
    conductance = voltage = time = None
    if stated is not None:
        conductance, voltage, time = (
            stated.on_conductance_usiemens, stated.voltage_v, stated.time_ns,
        )  # fmt: skip
    read_ns = setting("read_time_ns", macro.read_time_ns)
    if time is not None and time > macro.read_time_ns:
        raise ModelRangeError(
            f"crossbar.cell.conduction.time_ns ({time}) cannot exceed read_time_ns "
            f"({macro.read_time_ns})"
        )
    if time is not None:
        conducting_ns = setting("cell.conduction.time_ns", time)
    else:
        conducting_ns = smallest(constant("crossbar", f"{kind}_conduction_time_ns"), read_ns)
    if kind == "sram" and conductance is None:
        if voltage is not None:
            raise ModelRangeError(
                "crossbar.cell.conduction of an SRAM cell needs on_conductance_usiemens beside "
                "voltage_v; remove voltage_v to take the current of the library"
            )
        return CellElectrics(constant("crossbar", "sram_on_current_ua"), conducting_ns)
    siemens = (
        constant("crossbar", f"{kind}_on_conductance_usiemens")
        if conductance is None
        else setting("cell.conduction.on_conductance_usiemens", conductance)
    )
    across = (
        _read_voltage_v(kind) if voltage is None else setting("cell.conduction.voltage_v", voltage)
    )
    return CellElectrics((siemens * across).named("on_current_ua"), conducting_ns)


def _read_voltage_v(kind: str) -> Sourced:
    if kind == "sram":
        raise ModelRangeError(
            "crossbar.cell.conduction of an SRAM cell needs voltage_v beside "
            "on_conductance_usiemens"
        )
    return constant("crossbar", f"{kind}_read_voltage_v")


def pulse_energies_pj(macro: Macro) -> tuple[Sourced, Sourced] | None:
    """Energy of one programming pulse towards 0 and towards 1. [pJ]

    ``crossbar.cell.programming.pulse_energy_pj`` goes before the library. ``None`` for SRAM, which
    is written by its bit lines.
    """
    kind, programming = kind_of(macro), macro.crossbar.cell.programming
    if kind == "sram":
        return None
    if programming is not None and programming.pulse_energy_pj is not None:
        stated = setting("cell.programming.pulse_energy_pj", programming.pulse_energy_pj)
        return stated, stated
    if kind == "pcm":
        reset, set_ = (constant("crossbar", f"pcm_{way}_energy_pj") for way in ("reset", "set"))
        return reset, set_
    pulse = constant("crossbar", f"{kind}_write_energy_pj")
    return pulse, pulse


def cell_area_um2(kind: str, point: OperatingPoint) -> Sourced:
    """Area of one cell at the node. [µm²]

    SRAM is an 8T cell, MRAM the share of a 6T cell that RAP states; ReRAM and PCM are given as
    multiples of the node's square at 28 nm. All shrink with the node as logic does.

    Examples
    --------
    >>> for kind in KINDS:
    ...     print(kind, round(cell_area_um2(kind, OperatingPoint(28.0)).value, 4))
    mram 0.0423
    sram 0.1791
    reram 0.0416
    pcm 0.0361
    """
    if kind in ("sram", "mram"):
        ratio = "sram_8t_per_6t_area_ratio" if kind == "sram" else "mram_per_6t_area_ratio"
        area = constant("crossbar", "sram_6t_cell_area_um2") * constant("crossbar", ratio)
    else:
        square_um2 = (DATA_NODE_NM * 1e-3) ** 2
        area = constant("crossbar", f"{kind}_cell_area_ratio") * square_um2
    return (area * area_ratio(DATA_NODE_NM, point.node_nm)).named(f"{kind}_cell_area_um2")
