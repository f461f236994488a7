"""Programming of non-volatile cells: how close to its target a cell ends, after how many pulses.

Which question this module answers: *which conductances does programming leave behind?*

Conductances are relative to the on state's, ``g = G / G_on``; a target is one of ``2**bits``
equally spaced levels from the off state's to 1. Three kinds of models:

* ``write_verify``: every pulse lands at ``N(target, pulse_sigma)``, independently, and a cell is
  done when it is within ``tolerance``. The number of pulses is then geometric, the error a Gaussian
  cut at the tolerance, and the share ``(1 - p)**pulses_max`` of the cells fails.
* measured: standard deviation as a polynomial of the conductance (``data/cells.csv``) [1]_ - [4]_.
* ``table``: the user's own standard deviations, linear between the given conductances.

Not modelled: schemes whose pulses build on each other (incremental steps converge in fewer pulses
than independent ones), verification with a noisy read, disturbance of neighbouring cells, wear.

References
----------
.. [1] S. R. Nandakumar et al., Phase-Change Memory Models for Deep Learning Training and Inference,
   ICECS 2019.
.. [2] M. Le Gallo et al., A 64-core mixed-signal in-memory compute chip based on phase-change
   memory for deep neural network inference, Nature Electronics 6, 2023.
.. [3] W. Wan et al., A compute-in-memory chip based on resistive random-access memory, Nature 608,
   2022.
.. [4] D. F. Falcone et al., arXiv:2502.04524, 2025.

All measured coefficients are those that the IBM analog hardware acceleration kit publishes
(github.com/IBM/aihwkit, inference/noise).
"""

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pimsim.analog.constants import constant, polynomial
from pimsim.config.cells import Cell, Programming
from pimsim.errors import ModelRangeError

_RANGE_MARGIN: Final = 1e-3
"""Relative slack on the lowest characterised conductance, for ratios given with few digits."""


_SMALLEST_SHARE: Final = 2.0**-53
"""Resolution of a uniform draw."""


@dataclass(frozen=True, slots=True)
class Programmed:
    """Cells after programming."""

    conductance_ratio: NDArray[np.float64]
    """Conductance over the on state's. Never negative."""
    pulses: int
    """Pulses spent on all cells; one per cell where the model does not count them."""
    failed_cells: int
    """Cells given up outside their tolerance."""


@dataclass(frozen=True, slots=True)
class WriteVerifyStatistics:
    """What write-verify does to one cell on average, in closed form."""

    success_ratio: float
    """Probability that one pulse lands within the tolerance."""
    failed_ratio: float
    """Share of cells that are given up."""
    pulses_mean: float
    pulses_sigma: float
    """Standard deviation of the number of pulses."""
    accepted_sigma_ratio: float
    """Standard deviation of the error of an accepted cell, over on minus off current."""
    time_ns: float | None
    """Mean time per cell, cells programmed one after the other; ``None`` if not given."""
    energy_pj: float | None
    """Mean energy per cell; ``None`` if not given."""


def write_verify_statistics(programming: Programming) -> WriteVerifyStatistics:
    """Closed form of the write-verify model.

    Raises
    ------
    ModelRangeError
        If the section describes another model.

    Notes
    -----
    With ``z = tolerance / pulse_sigma``, ``p = erf(z / sqrt(2))``, ``q = 1 - p`` and at most
    ``N`` pulses, the number of pulses is geometric, cut at ``N``::

        mean = (1 - q**N) / p        share of failed cells = q**N
        E[n**2] = sum over n < N of n**2 p q**(n-1)  +  N**2 q**(N-1)
        accepted variance = pulse_sigma**2 (1 - 2 z phi(z) / p)

    Examples
    --------
    >>> section = Programming(model="write_verify", tolerance_ratio=0.02, pulse_sigma_ratio=0.05,
    ...                       pulses_max=100, pulse_time_ns=100.0)
    >>> statistics = write_verify_statistics(section)
    >>> round(statistics.success_ratio, 4), round(statistics.pulses_mean, 3)
    (0.3108, 3.217)
    """
    tolerance, sigma, most = _write_verify(programming)
    z = tolerance / sigma
    success = math.erf(z / math.sqrt(2.0))
    if success == 1.0:
        mean, second, failed = 1.0, 1.0, 0.0
    else:
        failed = (1.0 - success) ** most
        mean = (1.0 - failed) / success
        counts = np.arange(1, most)
        tail = most**2 * (1.0 - success) ** (most - 1)
        second = float((counts**2 * success * (1.0 - success) ** (counts - 1)).sum() + tail)
    density = math.exp(-z * z / 2.0) / math.sqrt(2.0 * math.pi)
    cut = max(0.0, 1.0 - 2.0 * z * density / success)
    times = programming.pulse_time_ns
    energy = programming.pulse_energy_pj
    return WriteVerifyStatistics(
        success_ratio=success,
        failed_ratio=failed,
        pulses_mean=mean,
        pulses_sigma=math.sqrt(max(0.0, second - mean**2)),
        accepted_sigma_ratio=sigma * math.sqrt(cut),
        time_ns=None if times is None else times * mean,
        energy_pj=None if energy is None else energy * mean,
    )


def program_levels(
    cell: Cell, target_ratio: NDArray[np.float64], generator: np.random.Generator
) -> Programmed:
    """Draw the conductances of freshly programmed cells.

    Parameters
    ----------
    cell
        ``programming`` names the model; absent: every cell meets its target in one pulse.
    target_ratio
        Wanted conductance of every cell over the on state's, any shape; may include the cell's own
        variation, which programming does not remove here.
    generator
        Source of the draws.

    Raises
    ------
    ModelRangeError
        If a target lies below the conductances for which the coefficients were measured.
    """
    section = cell.programming
    if section is None:
        return Programmed(target_ratio, target_ratio.size, 0)
    if section.model == "write_verify":
        return _write_and_verify(cell, section, target_ratio, generator)
    sigma = sigma_ratio(section, np.clip(target_ratio, 0.0, 1.0))
    drawn = target_ratio + sigma * generator.standard_normal(target_ratio.shape)
    return Programmed(np.maximum(drawn, 0.0), target_ratio.size, 0)


def sigma_ratio(
    programming: Programming, conductance_ratio: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Standard deviation of a programmed cell over the on state's conductance.

    Parameters
    ----------
    programming
        A ``table`` or a row of measured coefficients.
    conductance_ratio
        Targets over the on state's conductance, 0 to 1.

    Raises
    ------
    ModelRangeError
        If the model is ``write_verify`` (see :func:`write_verify_statistics`), or a target lies
        below the conductances for which the coefficients were measured.

    Examples
    --------
    >>> section = Programming(model="pcm_doped_gst")
    >>> sigma = sigma_ratio(section, np.array([1.0])) * 25.0
    >>> round(float(sigma[0]), 5)    # 0.26348 + 1.9650 - 1.1731 µS
    1.05538
    """
    model = programming.model
    if model == "table":
        table = np.array(programming.conductance_usiemens, np.float64)
        spread = np.array(programming.sigma_usiemens, np.float64)
        interpolated: NDArray[np.float64] = np.interp(conductance_ratio, table / table[-1], spread)
        return interpolated / float(table[-1])
    if model == "write_verify":
        raise ModelRangeError("model 'write_verify' has no standard deviation by conductance")
    top = constant("cells", f"{model}_g_max_usiemens")
    if model == "reram_cmo_hfox":
        check_characterised(model, conductance_ratio)
        constant_part = constant("cells", f"{model}_programming_0_usiemens") / top
        return constant_part + constant("cells", f"{model}_programming_1_ratio") * conductance_ratio
    prefix = f"{model}_second_sigma" if model == "reram_wan2022" else f"{model}_programming"
    return evaluate(polynomial("cells", prefix, "usiemens"), conductance_ratio) / top


def evaluate(coefficients: tuple[float, ...], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Polynomial, constant term first, cut at zero from below: it stands for a spread.

    Examples
    --------
    >>> evaluate((1.0, 2.0), np.array([0.0, 3.0]))
    array([1., 7.])
    """
    value = np.zeros_like(x)
    for coefficient in reversed(coefficients):
        value = value * x + coefficient
    return np.maximum(value, 0.0)


def check_characterised(device: str, conductance_ratio: NDArray[np.float64]) -> None:
    """Raise where a target lies below what was measured on ``reram_cmo_hfox``.

    Raises
    ------
    ModelRangeError
        With the lowest conductance and the largest on/off ratio that it allows.
    """
    least = constant("cells", f"{device}_g_min_usiemens") / constant(
        "cells", f"{device}_g_max_usiemens"
    )
    lowest = float(conductance_ratio.min(initial=1.0))
    if lowest < least * (1.0 - _RANGE_MARGIN):
        raise ModelRangeError(
            f"{device} was measured from {least:.4f} of the on conductance up, found {lowest:.4f}: "
            f"set crossbar.cell.on_off_ratio to {1.0 / least:.4g} or less"
        )


def _write_verify(programming: Programming) -> tuple[float, float, int]:
    tolerance, sigma = programming.tolerance_ratio, programming.pulse_sigma_ratio
    if tolerance is None or sigma is None or programming.pulses_max is None:
        raise ModelRangeError(f"model {programming.model!r} is not write_verify")
    return tolerance, sigma, programming.pulses_max


def _write_and_verify(
    cell: Cell,
    section: Programming,
    target_ratio: NDArray[np.float64],
    generator: np.random.Generator,
) -> Programmed:
    """Draw pulses and errors exactly, without playing pulse after pulse."""
    from scipy.special import ndtr, ndtri  # costs 0.2 s to import; few macros program

    tolerance, sigma, most = _write_verify(section)
    z = tolerance / sigma
    miss = 2.0 * float(ndtr(-z))
    pulses, failed = _pulses(generator.random(target_ratio.shape), miss, most)
    uniform = generator.random(target_ratio.shape)
    # cut where rounding would reach the infinite ends of the Gaussian
    inside = np.clip(ndtri(ndtr(-z) + uniform * (1.0 - miss)), -z, z)
    share = np.maximum(np.abs(2.0 * uniform - 1.0), _SMALLEST_SHARE)
    tail = np.abs(ndtri(np.maximum(ndtr(-z), np.finfo(np.float64).tiny) * share))
    error = np.where(failed, np.copysign(tail, uniform - 0.5), inside) * sigma
    swing = 1.0 - (0.0 if cell.on_off_ratio is None else 1.0 / cell.on_off_ratio)
    drawn = np.maximum(target_ratio + error * swing, 0.0)
    return Programmed(drawn, int(pulses.sum()), int(failed.sum()))


def _pulses(uniform: NDArray[Any], miss: float, most: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Geometric number of pulses, cut at ``most``, and who was still outside then."""
    if miss == 0.0:
        return np.ones(uniform.shape, np.int64), np.zeros(uniform.shape, np.bool_)
    # P(more than n pulses) = miss**n; 1 - uniform is never 0
    needed = np.floor(np.log(1.0 - uniform) / math.log(miss)) + 1.0
    return np.minimum(needed, most).astype(np.int64), needed > most
