"""Resistance of the lines: how much of its current a cell loses on the way.

Which question this module answers: *by how much do wires lower the current of each cell?*

First order: the currents that flow without wire resistance cause voltage drops, and these lower
the currents. A cell at row ``i`` and column ``j`` (both counted from 0 at the converter and at the
driver) loses the share::

    delta[i, j] = r_b * sum over m of p[m] * (min(i, m) + 1) * G[m, j]
                + r_w * sum over c of (min(j, c) + 1) * G[i, c]

where ``m`` runs over the rows of the same read, ``p`` is 1 for the cell's own row and
``activity_ratio`` for the others, and ``c`` over all columns, which conduct at the same time. The
error is of second order, below ``delta**2`` of the cell's current, so that losses above
:data:`LOSS_MAX_RATIO` raise. ``p`` stands for the inputs, which change from read to read: the loss
is its mean over inputs, folded into the cells once.

Columns lie matrix column by matrix column, the slices of one side by side. Not modelled: the
source lines (ideal), the drivers' and clamps' resistance, position and loss of the dummy rows,
correlation of the loss with the inputs of a single read, capacitance.

The ladder network is textbook material; a nodal solution of it is the oracle of the tests.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pimsim.config.cells import Wires
from pimsim.errors import ModelRangeError

LOSS_MAX_RATIO: Final = 0.1
"""Largest loss to which first order is applied: its error stays below 1 % of a cell's current."""

_SIEMENS_PER_USIEMENS: Final = 1e-6


def loss_ratio(
    conductance_ratio: NDArray[np.float64], wires: Wires, *, active_rows: int
) -> NDArray[np.float64]:
    """Share of its current that each cell loses.

    Parameters
    ----------
    conductance_ratio
        (..., slices, rows, cols): conductance of each cell over the on state's. Row and column 0
        are next to the converter and the driver.
    wires
        Resistances and the conductance of the on state.
    active_rows
        Rows of one read: rows ``0 .. active_rows - 1`` are read together, and so on.

    Returns
    -------
    NDArray
        Same shape.

    Raises
    ------
    ModelRangeError
        If a cell loses more than :data:`LOSS_MAX_RATIO`; the message says where, and which
        resistance would be in range.

    Examples
    --------
    One cell of 100 µS behind 1000 segments of 1 Ω loses 1000 Ω times 100 µS of its current, 10 %.

    >>> wires = Wires(on_conductance_usiemens=100.0, bit_line_ohm=1.0, activity_ratio=0.5)
    >>> cells = np.zeros((1, 1000, 1))
    >>> cells[0, 999, 0] = 1.0
    >>> float(loss_ratio(cells, wires, active_rows=1)[0, 999, 0].round(12))
    0.1
    """
    siemens = conductance_ratio * (wires.on_conductance_usiemens * _SIEMENS_PER_USIEMENS)
    loss = np.zeros(siemens.shape)
    if wires.bit_line_ohm is not None:
        loss += wires.bit_line_ohm * _along_bit_lines(siemens, wires.activity_ratio, active_rows)
    if wires.word_line_ohm is not None:
        loss += wires.word_line_ohm * _along_word_lines(siemens)
    _check(loss, wires)
    return loss


def _along_bit_lines(
    siemens: NDArray[np.float64], activity: float, active_rows: int
) -> NDArray[np.float64]:
    """Sum over the rows of a read of shared segments times conductance, the own row in full."""
    rows = siemens.shape[-2]
    segments = np.arange(1.0, rows + 1.0)
    total = np.empty(siemens.shape)
    for first in range(0, rows, active_rows):
        group = slice(first, min(first + active_rows, rows))
        total[..., group, :] = _shared(siemens[..., group, :], segments[group])
    own = segments[:, None] * siemens
    mean: NDArray[np.float64] = activity * total + (1.0 - activity) * own
    return mean


def _along_word_lines(siemens: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same along the columns of the array, all of which conduct."""
    slices, rows, cols = siemens.shape[-3:]
    lead = siemens.shape[:-3]
    physical = np.moveaxis(siemens, -3, -1).reshape(*lead, rows, cols * slices)
    along = np.swapaxes(physical, -1, -2)
    total = np.swapaxes(_shared(along, np.arange(1.0, cols * slices + 1.0)), -1, -2)
    return np.moveaxis(total.reshape(*lead, rows, cols, slices), -1, -3)


def _shared(siemens: NDArray[np.float64], segments: NDArray[np.float64]) -> NDArray[np.float64]:
    """``sum over m of min(segments[i], segments[m]) * siemens[m]`` along the last axis but one."""
    weighted = np.cumsum(segments[:, None] * siemens, axis=-2)
    beyond = siemens.sum(axis=-2, keepdims=True) - np.cumsum(siemens, axis=-2)
    shared: NDArray[np.float64] = weighted + segments[:, None] * beyond
    return shared


def _check(loss: NDArray[np.float64], wires: Wires) -> None:
    worst = float(loss.max(initial=0.0))
    if worst <= LOSS_MAX_RATIO:
        return
    place = np.unravel_index(int(loss.argmax()), loss.shape)
    given = {"bit_line_ohm": wires.bit_line_ohm, "word_line_ohm": wires.word_line_ohm}
    listed = " and ".join(f"{key} ({ohm:g})" for key, ohm in given.items() if ohm is not None)
    raise ModelRangeError(
        f"crossbar.wires: the cell in row {place[-2]}, column {place[-1]} would lose "
        f"{worst:.3g} of its current; first order holds up to {LOSS_MAX_RATIO:g}: multiply "
        f"{listed} by {LOSS_MAX_RATIO / worst:.2g} or less, or lower on_conductance_usiemens, rows "
        "or active_rows"
    )
