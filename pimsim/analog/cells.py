"""Cells and their spread: which current flows through a cell that holds a bit.

Which question this module answers: *by how much does each cell of this chip miss its nominal
current?*

Currents are relative to the least significant bit of a column sum, ``LSB = I_on - I_off``, and held
as integers of ``2**-CURRENT_FRACTION_BITS`` LSB. Sums of integers are exact in every order, so a
column sum never depends on batch, thread count or processor. The rounding (0.024 % of an LSB at
12 bits) is far below any cell variation modelled here.

Not modelled yet: programming by write-verify, drift, retention, stuck cells, read noise of the
cell itself, wire resistance, correlation between a cell's on and off current.
"""

from typing import Final, Protocol

import numpy as np
from jaxtyping import Int32
from numpy.typing import NDArray

from pimsim.config.architecture import Cell
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


def gaussian_variation(
    cell: Cell, shape: tuple[int, ...], generator: np.random.Generator
) -> tuple[Int32[np.ndarray, "..."], Int32[np.ndarray, "..."]]:
    """Draw one chip's cell currents: independent Gaussian deviations, fixed for its lifetime.

    Parameters
    ----------
    cell
        ``sigma_on_ratio`` and ``sigma_off_ratio`` are standard deviations relative to one LSB.
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
    A column of ``n`` driven cells, ``k`` of them on, deviates with variance
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
    """Standard deviations of on and off current that a cell section stands for. [LSB]"""
    sigma_on = cell.sigma_on_ratio or 0.0
    if cell.sigma_off_ratio is not None:
        return sigma_on, cell.sigma_off_ratio
    return sigma_on, sigma_on / cell.on_off_ratio if cell.on_off_ratio is not None else 0.0


def draw_deviations(
    cell: Cell, shape: tuple[int, ...], generator: np.random.Generator
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Draw deviations under the model that the cell section names."""
    model: CellModel = CELL_MODELS[cell.model]
    return model(cell, shape, generator)
