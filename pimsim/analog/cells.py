"""Cells of one chip: which current flows through a cell that holds a digit.

Which question this module answers: *by how much does each cell of this chip miss its nominal
current, and how noisy is it?*

A cell of ``b`` bits holds a digit ``0 .. 2**b - 1``. Currents are relative to the least significant
bit of a column sum, ``LSB = (I_on - I_off) / (2**b - 1)``, and held as integers of
``2**-CURRENT_FRACTION_BITS`` LSB. Sums of integers are exact in every order, so a column sum never
depends on batch, thread count or processor. The rounding (0.024 % of an LSB at 12 bits) is far
below any cell variation modelled here.

Everything that does not change during a run is folded into one deviation per cell, in this order:
the cell's own variation, programming (:mod:`~pimsim.analog.programming`), time
(:mod:`~pimsim.analog.retention`), operating point (:mod:`~pimsim.analog.pvt`), stuck cells
(:mod:`~pimsim.analog.faults`), wires (:mod:`~pimsim.analog.ir_drop`). White noise of the cells is
drawn with the converter's: a sum of Gaussians is Gaussian, so :func:`read_noise_variance` says all.

Not modelled: correlation between cells, and between a cell's on and off current; variation of the
dummy rows.
"""

from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from jaxtyping import Float64, Int32, UInt8
from numpy.typing import NDArray

from pimsim.analog.faults import stuck_levels
from pimsim.analog.ir_drop import loss_ratio
from pimsim.analog.programming import program_levels
from pimsim.analog.pvt import NOMINAL, OperatingPoint, level_ratios, pedestal_lsb
from pimsim.analog.retention import aged, compensation_ratio
from pimsim.config.cells import Cell
from pimsim.config.macros import Macro
from pimsim.errors import ModelRangeError
from pimsim.registry import CELL_MODELS

CURRENT_FRACTION_BITS: Final = 12
CURRENT_ONE: Final = 1 << CURRENT_FRACTION_BITS
"""One LSB of column current in fixed point."""


class CellModel(Protocol):
    """Draws the deviations of an array of cells from their nominal currents."""

    def __call__(
        self, cell: Cell, shape: tuple[int, ...], generator: np.random.Generator
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return deviations of on and off currents. [2**-12 LSB]"""
        ...


@dataclass(frozen=True, slots=True)
class ProgrammedCells:
    """An array of cells with known contents."""

    deviations: Int32[np.ndarray, "*shape"]
    """Current of each cell minus that of its digit. [2**-12 LSB of the operating point]"""
    pulses: int
    """Programming pulses spent; one per cell where programming does not count them."""
    failed_cells: int
    """Cells that programming gave up."""
    stuck_cells: int


def gaussian_variation(
    cell: Cell, shape: tuple[int, ...], generator: np.random.Generator
) -> tuple[Int32[np.ndarray, "..."], Int32[np.ndarray, "..."]]:
    """Draw one chip's cell currents: independent Gaussian deviations, fixed for its lifetime.

    Parameters
    ----------
    cell
        ``sigma_on_ratio`` and ``sigma_off_ratio`` are standard deviations relative to on current
        minus off current.
    shape
        Shape of the cell array.
    generator
        Source of the draws, keyed by chip and place.

    Returns
    -------
    tuple of arrays
        Deviations of the on and of the off current, each of ``shape``. [2**-12 LSB]

    Notes
    -----
    A column of ``n`` driven one-bit cells, ``k`` of them on, deviates with variance
    ``k * sigma_on**2 + (n - k) * sigma_off**2`` [LSB²] over chips. Without ``sigma_off_ratio`` the
    off current spreads by the same relative amount as the on current:
    ``sigma_off = sigma_on / on_off_ratio``; without an on/off ratio there is no off current.
    """
    sigma_on, sigma_off = sigma_lsb(cell)
    on = np.rint(generator.standard_normal(shape) * (sigma_on * CURRENT_ONE)).astype(np.int32)
    off = np.rint(generator.standard_normal(shape) * (sigma_off * CURRENT_ONE)).astype(np.int32)
    return on, off


def no_variation(
    cell: Cell, shape: tuple[int, ...], generator: np.random.Generator
) -> tuple[Int32[np.ndarray, "..."], Int32[np.ndarray, "..."]]:
    """Cells without spread.

    Raises
    ------
    ModelRangeError
        If the cell states a spread, which this model would ignore.
    """
    del generator
    if cell.sigma_on_ratio or cell.sigma_off_ratio:
        raise ModelRangeError(
            "cell model 'ideal' has no variation; remove sigma_on_ratio and sigma_off_ratio, "
            "or choose 'mram' or 'sram'"
        )
    return np.zeros(shape, np.int32), np.zeros(shape, np.int32)


def sigma_lsb(cell: Cell) -> tuple[float, float]:
    """Standard deviations of on and off current that a cell section stands for. [LSB]

    Examples
    --------
    >>> sigma_lsb(Cell(model="mram", bits=2, on_off_ratio=2.0, sigma_on_ratio=0.05))
    (0.15000000000000002, 0.07500000000000001)
    """
    top = (1 << cell.bits) - 1
    sigma_on = cell.sigma_on_ratio or 0.0
    if cell.sigma_off_ratio is not None:
        return sigma_on * top, cell.sigma_off_ratio * top
    sigma_off = sigma_on / cell.on_off_ratio if cell.on_off_ratio is not None else 0.0
    return sigma_on * top, sigma_off * top


def draw_deviations(
    cell: Cell, shape: tuple[int, ...], generator: np.random.Generator
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Draw variation from cell to cell under the model that the cell section names."""
    model: CellModel = CELL_MODELS[cell.model]
    return model(cell, shape, generator)


def program_cells(
    digits: UInt8[np.ndarray, "*lead slices rows cols"],
    macro: Macro,
    generator: np.random.Generator,
    point: OperatingPoint = NOMINAL,
) -> Int32[np.ndarray, "*lead slices rows cols"]:
    """Deviations of cells whose contents are known when they are programmed.

    Shorthand for ``program_array(...).deviations``; parameters and errors are its.
    """
    return program_array(digits, macro, generator, point).deviations


def program_array(
    digits: UInt8[np.ndarray, "*lead slices rows cols"],
    macro: Macro,
    generator: np.random.Generator,
    point: OperatingPoint = NOMINAL,
) -> ProgrammedCells:
    """Program one array of cells and let it age until the run.

    Parameters
    ----------
    digits
        Contents, ``0 .. 2**cell.bits - 1``; row 0 of the matrix is row 0 of the macro.
    macro
        Cells, and wires if any.
    generator
        Source of the draws, keyed by chip and place: the same key is the same silicon.
    point
        Operating point of the chip.

    Returns
    -------
    ProgrammedCells
        Deviations in LSB of the operating point.

    Raises
    ------
    ModelRangeError
        If a digit does not fit its cell, or a part of the model is used outside its range.
    """
    cell = macro.crossbar.cell
    top = (1 << cell.bits) - 1
    if digits.size and int(digits.max()) > top:
        raise ModelRangeError(
            f"digits reach {int(digits.max())}, but a cell of {cell.bits} bit holds 0 to {top}"
        )
    on, off = draw_deviations(cell, digits.shape, generator)
    if _only_variation(macro, point):
        return ProgrammedCells(np.where(digits == 1, on, off), digits.size, 0, 0)
    variation = _between(on, off, digits, top)
    state, pulses, failed = _state(cell, digits, variation, generator, compensate=True)
    stuck = stuck_levels(cell.faults, top, digits.shape, generator)
    deviations = _at_point(macro, digits, state, stuck, point)
    stuck_cells = 0 if stuck is None else int((stuck >= 0).sum())
    return ProgrammedCells(deviations, pulses, failed, stuck_cells)


def draw_cells(
    macro: Macro,
    shape: tuple[int, ...],
    generator: np.random.Generator,
    point: OperatingPoint = NOMINAL,
) -> Int32[np.ndarray, "digits *lead slices rows cols"]:
    """Deviations of cells whose contents are written at run time: one table per digit.

    Parameters
    ----------
    macro, generator, point
        As for :func:`program_array`.
    shape
        (..., slices, rows, cols).

    Returns
    -------
    NDArray
        Entry ``d`` holds what each cell deviates by while it holds ``d``. [2**-12 LSB]

    Raises
    ------
    ModelRangeError
        As for :func:`program_array`; and with global drift compensation, which needs a calibration
        read after programming.

    Notes
    -----
    Programming error and time are drawn once per cell and digit, not afresh for every write. Wires
    see the mean conductance of all digits instead of the contents.
    """
    cell = macro.crossbar.cell
    if cell.drift is not None and cell.drift.compensation == "global":
        raise ModelRangeError(
            "crossbar.cell.drift.compensation 'global' needs contents that stay; set it to 'none' "
            "for operands written at run time"
        )
    top = (1 << cell.bits) - 1
    on, off = draw_deviations(cell, shape, generator)
    if _only_variation(macro, point):
        return np.stack((off, on))
    states = np.empty((top + 1, *shape), np.float64)
    for digit in range(top, -1, -1):
        digits = np.full(shape, digit, np.uint8)
        variation = _between(on, off, digits, top)
        states[digit], _, _ = _state(cell, digits, variation, generator, compensate=False)
    stuck = stuck_levels(cell.faults, top, shape, generator)
    table = np.empty(states.shape, np.int32)
    for digit in range(top + 1):
        digits = np.full(shape, digit, np.uint8)
        table[digit] = _at_point(macro, digits, states[digit], stuck, point, contents_known=False)
    return table


def read_noise_by_level(
    cell: Cell, point: OperatingPoint = NOMINAL
) -> Float64[np.ndarray, " digits"]:
    """Variance of a cell's white current noise in one read, by digit. [LSB²]

    The noise is a share of the cell's current; levels in between take the variance in between.

    Examples
    --------
    >>> cell = Cell(model="reram", bits=1, read_noise=dict(sigma_on_ratio=0.1))
    >>> read_noise_by_level(cell)
    array([0.  , 0.01])
    """
    top = (1 << cell.bits) - 1
    noise = cell.read_noise
    if noise is None:
        return np.zeros(top + 1)
    ends = [((ratio or 0.0) * top) ** 2 for ratio in (noise.sigma_off_ratio, noise.sigma_on_ratio)]
    ratios = level_ratios(cell, point)
    off, on = ends[0] * ratios[0] ** 2, ends[1] * ratios[-1] ** 2
    return np.linspace(off, on, top + 1)


def read_noise_variance(
    macro: Macro, point: OperatingPoint = NOMINAL
) -> Float64[np.ndarray, " counts"]:
    """Variance of the white noise of all cells of a read, by ideal column sum. [LSB²]

    Parameters
    ----------
    macro
        ``active_rows`` cells conduct in every read; dummy rows count as off cells.
    point
        Operating point of the chip.

    Returns
    -------
    NDArray
        (active_rows * (2**bits - 1) + 1,): entry ``k`` belongs to digits that sum to ``k``.

    Notes
    -----
    ``n * off + k * (on - off) / (2**b - 1)`` with the variances ``on`` and ``off`` of one cell in
    its end states: for one-bit cells ``k * on + (n - k) * off``. It depends on the sum alone
    because the variance of a level is linear in its digit. Holds for inputs of one bit per cycle.

    Examples
    --------
    >>> from pimsim.analog.macros import ideal_macro
    >>> read_noise_variance(ideal_macro(rows=4, cols=8, active_rows=2, weight_bits=8, input_bits=8))
    array([0., 0., 0.])
    """
    by_level = read_noise_by_level(macro.crossbar.cell, point)
    rows, top = macro.crossbar.active_rows, len(by_level) - 1
    counts = np.arange(rows * top + 1)
    variance: NDArray[np.float64] = rows * by_level[0] + counts * (by_level[-1] - by_level[0]) / top
    return variance


def _only_variation(macro: Macro, point: OperatingPoint) -> bool:
    """Whether the drawn integers are the answer as they are, as for most macros."""
    cell = macro.crossbar.cell
    sections = (cell.programming, cell.drift, cell.read_noise, cell.faults, macro.crossbar.wires)
    return cell.bits == 1 and point == NOMINAL and all(section is None for section in sections)


def _between(
    on: NDArray[np.int32], off: NDArray[np.int32], digits: NDArray[Any], top: int
) -> NDArray[np.float64]:
    """Variation of each cell at its digit: the ends' own draws, variances in between. [LSB]"""
    if top == 1:
        return np.where(digits == 1, on, off) / CURRENT_ONE
    share = digits / top
    mixed: NDArray[np.float64] = (np.sqrt(share) * on + np.sqrt(1.0 - share) * off) / CURRENT_ONE
    return mixed


def _state(
    cell: Cell,
    digits: NDArray[Any],
    variation: NDArray[np.float64],
    generator: np.random.Generator,
    *,
    compensate: bool,
) -> tuple[NDArray[np.float64], int, int]:
    """Deviation after programming and time at the nominal point [LSB], pulses, failed cells."""
    flicker = cell.read_noise is not None and cell.read_noise.flicker is not None
    if cell.programming is None and cell.drift is None and not flicker:
        return variation, digits.size, 0
    pedestal, top = pedestal_lsb(cell), (1 << cell.bits) - 1
    on_lsb = pedestal + top
    target = (pedestal + digits) / on_lsb
    programmed = program_levels(cell, target + variation / on_lsb, generator)
    fresh = programmed.conductance_ratio
    now = aged(cell, fresh, target, generator)
    gain = compensation_ratio(cell, fresh, now) if compensate else 1.0
    return (gain * now - target) * on_lsb, programmed.pulses, programmed.failed_cells


def _at_point(
    macro: Macro,
    digits: NDArray[Any],
    state: NDArray[np.float64],
    stuck: NDArray[np.int8] | None,
    point: OperatingPoint,
    *,
    contents_known: bool = True,
) -> NDArray[np.int32]:
    """Deviations at the operating point, with stuck cells and wires, in fixed point."""
    cell = macro.crossbar.cell
    deviation = state if point == NOMINAL else state * level_ratios(cell, point)[digits]
    if stuck is not None:
        deviation = np.where(stuck >= 0, stuck - digits.astype(np.float64), deviation)
    wires = macro.crossbar.wires
    if wires is not None:
        pedestal = pedestal_lsb(cell) * point.off_current_ratio / point.lsb_ratio
        current = pedestal + digits + deviation
        on_current = (pedestal_lsb(cell) + (1 << cell.bits) - 1) / point.lsb_ratio
        mean = pedestal + ((1 << cell.bits) - 1) / 2.0
        seen = current if contents_known else np.full(current.shape, mean)
        loss = loss_ratio(seen / on_current, wires, active_rows=macro.crossbar.active_rows)
        deviation = deviation - loss * current
    return np.rint(deviation * CURRENT_ONE).astype(np.int32)
