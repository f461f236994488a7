"""Time: what drift, relaxation and 1/f noise make of programmed cells.

Which question this module answers: *which conductances are left at the age of the run?*

Conductances are relative to the on state's, ``g = G / G_on``; ``age_s`` counts from the end of
programming. Every cell draws its own exponent or shift once: that is the chip.

* Phase-change memory drifts by a power law, ``G(age) = G * ((age + t_0) / t_0)**-nu``, with ``nu``
  drawn per cell, its mean and spread depending on the target [1]_ [2]_; ``power_law`` does the same
  with the user's numbers. Negative draws are folded, as in the published code.
* ReRAM spreads: ``reram_wan2022`` has the measured spread at 1 s, 1 day and 2 days [3]_, its
  variance interpolated in the logarithm of time; ``reram_cmo_hfox`` shifts and spreads with the
  logarithm of time [4]_.
* 1/f noise: the fluctuation accumulated up to the age, ``sigma = G Q(g) sqrt(ln((age + t_0 + t_r) /
  (2 t_r)))`` [1]_ [2]_ or ``K log10(G / µS) sqrt(...)`` [4]_. It is slower than a run and therefore
  static here.
* Global compensation divides the read-out of a macro's matrix by the mean loss of its cells
  [5]_: what a calibration read of all cells would tell, without its noise and quantization.

Not modelled: temperature dependence of drift, read disturb, endurance, MRAM's and SRAM's retention
(assumed perfect), noise that a compensating gain amplifies.

References
----------
.. [1] S. R. Nandakumar et al., ICECS 2019.
.. [2] M. Le Gallo et al., Nature Electronics 6, 2023.
.. [3] W. Wan et al., Nature 608, 2022, Extended Data Fig. 3d.
.. [4] D. F. Falcone et al., arXiv:2502.04524, 2025.
.. [5] V. Joshi et al., Accurate deep neural network inference using computational phase-change
   memory, Nature Communications 11, 2473, 2020 (global drift compensation).

Coefficients: ``data/cells.csv``, as published in github.com/IBM/aihwkit.
"""

import math

import numpy as np
from numpy.typing import NDArray

from pimsim.analog.constants import constant, family, polynomial
from pimsim.analog.programming import check_characterised, evaluate
from pimsim.config.cells import Cell, Drift
from pimsim.errors import ModelRangeError

_SMALLEST_RATIO = 1e-7
"""Conductances below are treated as this in logarithms, as in the published code."""
_WAN_AGES = ("second", "day", "two_days")

Array = NDArray[np.float64]


def aged(
    cell: Cell, fresh_ratio: Array, target_ratio: Array, generator: np.random.Generator
) -> Array:
    """Let time pass over programmed cells.

    Parameters
    ----------
    cell
        ``drift`` and ``read_noise.flicker``; both absent: nothing changes and nothing is drawn.
    fresh_ratio
        Conductances right after programming over the on state's.
    target_ratio
        What they were meant to be, same shape; the statistics of a cell depend on its target.
    generator
        Source of the draws.

    Returns
    -------
    Array
        Conductances at ``drift.age_s`` over the on state's, never negative. Global compensation is
        :func:`compensation_ratio`, which must see all cells.

    Raises
    ------
    ModelRangeError
        If the age or a target is outside what was measured.
    """
    drift, now = cell.drift, fresh_ratio
    if drift is not None:
        if drift.model == "power_law" or drift.model.startswith("pcm_"):
            now = _power_law(drift, now, target_ratio, generator)
        elif drift.model == "reram_wan2022":
            sigma = _relaxation_sigma(drift.age_s, target_ratio)
            now = now + sigma * generator.standard_normal(now.shape)
        else:
            now = _logarithmic(drift, now, target_ratio, generator)
    device = cell.read_noise.flicker if cell.read_noise is not None else None
    if device is not None:
        age_s = drift.age_s if drift is not None else 0.0
        sigma = flicker_sigma_ratio(device, np.maximum(fresh_ratio, 0.0), now, age_s)
        now = now + sigma * generator.standard_normal(now.shape)
    return np.maximum(now, 0.0) if now is not fresh_ratio else now


def compensation_ratio(cell: Cell, fresh_ratio: Array, aged_ratio: Array) -> float:
    """Gain of the read-out that makes up for the mean loss; 1 without global compensation.

    Examples
    --------
    >>> cell = Cell(model="pcm", bits=1, drift=Drift(model="pcm_doped_gst", age_s=1e4,
    ...                                              compensation="global"))
    >>> compensation_ratio(cell, np.array([1.0, 1.0]), np.array([0.7, 0.9]))
    1.25
    """
    if cell.drift is None or cell.drift.compensation == "none":
        return 1.0
    left = float(aged_ratio.sum())
    return float(fresh_ratio.sum()) / left if left > 0.0 else 1.0


def exponent(drift: Drift, target_ratio: Array) -> tuple[Array, Array]:
    """Mean and standard deviation of the drift exponent before folding.

    Raises
    ------
    ModelRangeError
        If the model does not drift by a power law.

    Examples
    --------
    >>> mean, sigma = exponent(Drift(model="pcm_doped_gst", age_s=0.0), np.array([1.0, 0.01]))
    >>> mean.round(4).tolist(), sigma.round(4).tolist()
    ([0.049, 0.0958], [0.008, 0.045])
    """
    if drift.model == "power_law":
        assert drift.nu_exponent is not None
        assert drift.nu_sigma_exponent is not None
        shape = target_ratio.shape
        return np.full(shape, drift.nu_exponent), np.full(shape, drift.nu_sigma_exponent)
    if not drift.model.startswith("pcm_"):
        raise ModelRangeError(f"model {drift.model!r} does not drift by a power law")
    return (
        _two_branches(f"{drift.model}_nu", target_ratio),
        _two_branches(f"{drift.model}_nu_sigma", target_ratio),
    )


def flicker_sigma_ratio(device: str, fresh_ratio: Array, now_ratio: Array, age_s: float) -> Array:
    """Standard deviation of the 1/f noise accumulated up to an age, over the on conductance.

    Parameters
    ----------
    device
        Row of measured coefficients.
    fresh_ratio, now_ratio
        Conductance right after programming and at the age, over the on state's.
    age_s
        Time from the end of programming. [s]

    Raises
    ------
    ModelRangeError
        If a conductance is below what was measured.

    Examples
    --------
    >>> one = np.array([1.0])
    >>> round(float(flicker_sigma_ratio("pcm_doped_gst", one, one, 0.0)[0]), 5)
    0.03682
    """
    read_s = constant("cells", f"{device}_read_s")
    if device == "reram_cmo_hfox":
        check_characterised(device, fresh_ratio)
        top = constant("cells", f"{device}_g_max_usiemens")
        decades = np.log10(np.maximum(now_ratio * top, 1.0))
        scale = constant("cells", f"{device}_flicker_usiemens") * decades / top
        return scale * math.sqrt(math.log((max(age_s, read_s) + read_s) / (2.0 * read_s)))
    elapsed_s = age_s + constant("cells", f"{device}_start_s")
    growth = math.sqrt(math.log((elapsed_s + read_s) / (2.0 * read_s)))
    if f"{device}_flicker_power_exponent" in family("cells"):
        power = constant("cells", f"{device}_flicker_power_exponent")
        safe = np.maximum(fresh_ratio, _SMALLEST_RATIO) ** power
        most = constant("cells", f"{device}_flicker_most_coefficient")
        relative = np.minimum(constant("cells", f"{device}_flicker_scale_coefficient") / safe, most)
    else:
        relative = _two_branches(f"{device}_flicker", fresh_ratio)
    return np.abs(now_ratio) * relative * growth


def _power_law(drift: Drift, fresh: Array, target: Array, generator: np.random.Generator) -> Array:
    mean, sigma = exponent(drift, target)
    nu = np.abs(mean + sigma * generator.standard_normal(target.shape))
    start = (
        drift.start_s if drift.start_s is not None else constant("cells", f"{drift.model}_start_s")
    )
    return fresh * ((drift.age_s + start) / start) ** -nu


def _relaxation_sigma(age_s: float, target: Array) -> Array:
    """Spread gained since one second after programming, where programming's is measured."""
    ages = [constant("cells", f"reram_wan2022_{label}_age_s") for label in _WAN_AGES]
    if not ages[0] <= age_s <= ages[-1]:
        raise ModelRangeError(
            f"drift.age_s is {age_s:g}, but reram_wan2022 was measured from {ages[0]:g} s to "
            f"{ages[-1]:g} s (two days); nothing is extrapolated"
        )
    top = constant("cells", "reram_wan2022_g_max_usiemens")
    variances = [
        (evaluate(polynomial("cells", f"reram_wan2022_{label}_sigma", "usiemens"), target) / top)
        ** 2
        for label in _WAN_AGES
    ]
    later = 1 if age_s <= ages[1] else 2
    weight = math.log(age_s / ages[later - 1]) / math.log(ages[later] / ages[later - 1])
    variance = (1.0 - weight) * variances[later - 1] + weight * variances[later]
    return np.sqrt(np.maximum(variance - variances[0], 0.0))


def _logarithmic(
    drift: Drift, fresh: Array, target: Array, generator: np.random.Generator
) -> Array:
    """CMO/HfOx: mean and spread of the shift are linear in the logarithm of time."""
    check_characterised(drift.model, target)
    if drift.age_s == 0.0:
        return fresh
    if drift.age_s < 1.0:
        raise ModelRangeError(
            f"drift.age_s is {drift.age_s:g}, but {drift.model} was measured from 1 s on; give 0 "
            "or at least 1"
        )
    time = math.log(drift.age_s)
    top = constant("cells", f"{drift.model}_g_max_usiemens")
    mean = constant("cells", f"{drift.model}_decay_mean_usiemens") * time
    sigma = (
        constant("cells", f"{drift.model}_decay_sigma_0_usiemens")
        + constant("cells", f"{drift.model}_decay_sigma_1_usiemens") * time
    )
    return fresh + (mean + sigma * generator.standard_normal(fresh.shape)) / top


def _two_branches(prefix: str, target: Array) -> Array:
    """``clip(slope ln g + offset, least, most)``; from the split up, if any, a polynomial."""
    low = {
        key: constant("cells", f"{prefix}_low_{key}_coefficient")
        for key in ("slope", "offset", "least", "most")
    }
    logarithm = np.log(np.maximum(target, _SMALLEST_RATIO))
    value = np.clip(low["slope"] * logarithm + low["offset"], low["least"], low["most"])
    split = family("cells").get(f"{prefix}_split_ratio")
    if split is None:
        return value
    high = evaluate(polynomial("cells", f"{prefix}_high", "coefficient"), target)
    return np.where(target >= split.value, high, value)
