"""How often one read gives the wrong count.

Which question this module answers: *how many word lines may a read drive before it errs, and what
becomes of that at a corner?*

A column of ``n`` driven cells, ``k`` of which conduct, carries ``k`` LSB and a deviation that is
Gaussian where the cells' is::

    variance = k * sigma_on**2 + (n - k) * sigma_off**2 + sigma_adc**2        [LSB**2]

It errs where that crosses a decision level. :func:`closed_form` says how often; :func:`measured`
counts it on drawn cells and the macro's own decision levels, sharing nothing but those. The error
of a read is not that of a product: most products of many reads see several wrong codes long before
most reads are wrong.

The closed form is that of the cells' independent Gaussian variation. Not in it: spread from
converter to converter, drift, faults, voltage drop along wires, cells of several bits.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pimsim import rng
from pimsim.analog.cells import CURRENT_ONE, program_cells, sigma_lsb
from pimsim.analog.pvt import operating_point
from pimsim.analog.transfer import transfer_of
from pimsim.config.macros import Macro
from pimsim.config.pvt import Pvt
from pimsim.errors import ModelRangeError

_CELLS_MAX: Final = 1 << 23
"""Cells drawn at once; results depend on it only through the order of the draws."""


def closed_form(macro: Macro, ones: int, pvt: Pvt | None = None) -> float:
    """Probability that a read of ``ones`` conducting among ``active_rows`` cells gets another code.

    Parameters
    ----------
    macro
        Cells of one bit, read by a converter that has a code for every count.
    ones
        Conducting cells.
    pvt
        Operating point; ``None``: nominal.

    Raises
    ------
    ModelRangeError
        If cells have several bits, the converter has too few codes, or ``ones`` is out of range.

    Examples
    --------
    >>> from pimsim.config import load_architecture
    >>> mram = load_architecture("rap").macros["mram"]
    >>> closed_form(mram, ones=8) < 1e-7
    True
    """
    from scipy.special import ndtr  # costs 0.2 s to import

    _check(macro, ones)
    active, transfer = macro.crossbar.active_rows, transfer_of(macro, pvt)
    cell, point = macro.crossbar.cell, operating_point(pvt, macro)
    nominal_on, nominal_off = sigma_lsb(cell)
    on = nominal_on * point.on_current_ratio / point.lsb_ratio
    off = nominal_off * point.off_current_ratio / point.lsb_ratio
    noise = float(transfer.sigma_lsb[ones if len(transfer.sigma_lsb) > 1 else 0])
    sigma = float(np.sqrt(ones * on**2 + (active - ones) * off**2 + noise**2))
    levels = transfer.thresholds[0] / CURRENT_ONE
    code = ones // transfer.lsb_per_code - transfer.lowest
    below = levels[code - 1] if code > 0 else -np.inf
    above = levels[code] if code < len(levels) else np.inf
    if sigma == 0.0:
        return 0.0 if below <= ones < above else 1.0
    return float(ndtr((below - ones) / sigma) + ndtr((ones - above) / sigma))


def measured(macro: Macro, ones: int, reads: int, seed: int = 0, pvt: Pvt | None = None) -> int:
    """Count wrong codes among so many reads, each of freshly drawn cells.

    Parameters
    ----------
    macro, ones, pvt
        As for :func:`closed_form`, cells of any model.
    reads
        How many.
    seed
        Of cells and noise.

    Raises
    ------
    ModelRangeError
        As for :func:`closed_form`.
    """
    _check(macro, ones)
    transfer = transfer_of(macro, pvt)
    noise = transfer.sigma_lsb[ones if len(transfer.sigma_lsb) > 1 else 0] * CURRENT_ONE
    generator = rng.for_(seed, "read errors", ones)
    wrong = 0
    for deviations in _deviations(macro, ones, reads, generator, pvt):
        current = ones * CURRENT_ONE + deviations
        if noise:
            current = current + np.floor(generator.normal(0.0, noise, len(current)))
        codes = transfer.lowest + np.searchsorted(transfer.thresholds[0], current, side="right")
        wrong += int(np.count_nonzero(codes * transfer.lsb_per_code != ones))
    return wrong


def _deviations(
    macro: Macro, ones: int, reads: int, generator: np.random.Generator, pvt: Pvt | None
) -> Iterator[NDArray[np.int64]]:
    """Column deviations of fresh cells, ``ones`` of which conduct. [2**-12 LSB]"""
    active, point = macro.crossbar.active_rows, operating_point(pvt, macro)
    step = max(1, _CELLS_MAX // active)
    for first in range(0, reads, step):
        digits = np.zeros((1, active, min(step, reads - first)), np.uint8)
        digits[0, :ones] = 1
        yield program_cells(digits, macro, generator, point)[0].sum(axis=0, dtype=np.int64)


def _check(macro: Macro, ones: int) -> None:
    active = macro.crossbar.active_rows
    if macro.crossbar.cell.bits != 1 or macro.inputs.bits_per_cycle != 1:
        raise ModelRangeError("read errors are counted for one bit per cell and input cycle")
    if macro.adc.codes <= active:
        raise ModelRangeError(
            f"a converter of {macro.adc.codes} codes has none of its own for each of the "
            f"{active + 1} counts of {active} active rows; give it {active + 1}"
        )
    if not 0 <= ones <= active:
        raise ModelRangeError(f"ones must be 0 to {active} of the active rows, got {ones}")
