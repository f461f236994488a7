"""Decision levels of real converters: where a code really begins.

Which question this module answers: *by how much does each decision level of this converter miss
the straight line, and why?*

Each model returns deviations from the ideal levels of one row of codes per converter, drawn once
per chip. Offset and gain are not among them (:mod:`pimsim.analog.transfer`).

- ``inl``: curvature of the input stage, an endpoint-fit parabola, the same for all converters.
- ``dnl_sigma``: a reference ladder of mismatched resistors, independent code widths between two
  exact ends.
- ``comparator_offset``: the comparators of a flash, each with its own offset.
- ``capacitor_mismatch``: the binary-weighted capacitors of a SAR, searched bit by bit.

Not modelled: hysteresis, metastability, incomplete settling, bubble errors beyond what counting the
comparators that fired gives, split or segmented capacitor arrays, parasitic capacitance.

References
----------
.. [1] IEEE Std 1241-2010, Terminology and Test Methods for Analog-to-Digital Converters: code
   transition levels, differential and integral nonlinearity.
.. [2] R. van de Plassche, CMOS Integrated Analog-to-Digital and Digital-to-Analog Converters, 2nd
   ed., 2003: matching of resistor ladders.
.. [3] S. Saberi, R. Lotfi, K. Mafinezhad, W. A. Serdijn, "Analysis of Power Consumption and
   Linearity in Capacitive Digital-to-Analog Converters Used in Successive Approximation ADCs",
   IEEE Trans. Circuits and Systems I 58(8), 2011.
"""

from typing import Protocol

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray

from pimsim import rng
from pimsim.config.converters import Adc


class AdcModel(Protocol):
    """Draws by how much the decision levels of converters miss their ideal places."""

    def __call__(self, adc: Adc, converters: int, key: int) -> NDArray[np.float64]:
        """Return deviations, (converters, codes - 1). [steps of one code]"""
        ...


def flash(adc: Adc, converters: int, key: int) -> Float64[np.ndarray, "converters levels"]:
    """Flash converter: one comparator per decision level, their ones counted.

    Parameters
    ----------
    adc
        ``inl``, ``dnl_sigma`` and ``comparator_offset``.
    converters
        How many to draw.
    key
        Of chip and place. Each cause draws from a stream of its own, so that switching one on or
        off leaves the others as they were.

    Returns
    -------
    NDArray
        Deviation of each decision level. [steps of one code]

    Notes
    -----
    With a comparator offset of ``s`` steps a code's width has the variance ``2 s**2``. Levels that
    swap places lose no code for good: the ones of all comparators are counted.
    """
    levels = adc.codes - 1
    deviations = common(adc, converters, key)
    sigma = adc.of_full_scale("comparator_offset") * levels
    if sigma:
        generator = rng.for_(key, "comparators")
        deviations = deviations + generator.standard_normal((converters, levels)) * sigma
    return deviations


def sar(adc: Adc, converters: int, key: int) -> Float64[np.ndarray, "converters levels"]:
    """Successive approximation: a binary search against a capacitive divider.

    Parameters, result as of :func:`flash`, with ``capacitor_mismatch_ratio``.

    Notes
    -----
    Bit ``k`` of ``N`` has ``2**k`` unit capacitors, and one unit terminates the array. A unit
    deviates by the ratio ``s``, so bit ``k`` by ``2**(k/2) s`` units. The trial level of a code is
    the capacitance of its ones over the whole array's. The most significant transition, where all
    lower capacitors are exchanged for the largest, has the widest spread [3]_::

        DNL variance = (2**N - 1) s**2   [steps of one code, squared]

    Trial levels that are out of order are searched as the hardware does: see
    :func:`searched_levels`.
    """
    levels = adc.codes - 1
    deviations = common(adc, converters, key)
    sigma = adc.capacitor_mismatch_ratio or 0.0
    if not sigma:
        return deviations
    bits, generator = levels.bit_length(), rng.for_(key, "capacitors")
    units = 2.0 ** np.arange(bits)
    capacitors = units + generator.standard_normal((converters, bits)) * np.sqrt(units) * sigma
    terminator = 1.0 + generator.standard_normal((converters, 1)) * sigma
    total = capacitors.sum(axis=1, keepdims=True) + terminator
    ones = (np.arange(1, levels + 1)[:, None] >> np.arange(bits)) & 1
    nominal = np.arange(1, levels + 1, dtype=np.float64)
    trials = (capacitors @ ones.T) / total * 2.0**bits
    missed: NDArray[np.float64] = searched_levels(trials + deviations) - nominal
    return missed


def common(adc: Adc, converters: int, key: int) -> Float64[np.ndarray, "converters levels"]:
    """Deviations that any converter may have: the bow and the ladder. [steps of one code]"""
    levels = adc.codes - 1
    curve = bow(levels) * adc.of_full_scale("inl") * levels
    deviations: NDArray[np.float64] = np.tile(curve, (converters, 1))
    sigma = adc.of_full_scale("dnl_sigma") * levels
    if sigma:
        deviations = deviations + ladder(levels, converters, sigma, rng.for_(key, "ladder"))
    return deviations


def bow(levels: int) -> Float64[np.ndarray, " levels"]:
    """Parabola over the decision levels: 0 at both ends, 1 in the middle.

    The integral nonlinearity of a weak second-order curvature, with gain and offset taken out by
    the line through the ends [1]_. With two levels or fewer there is no curvature.

    Examples
    --------
    >>> bow(5)
    array([0.  , 0.75, 1.  , 0.75, 0.  ])
    """
    position = np.linspace(0.0, 1.0, levels)
    curve: NDArray[np.float64] = 4.0 * position * (1.0 - position)
    return curve


def ladder(
    levels: int, converters: int, sigma: float, generator: np.random.Generator
) -> Float64[np.ndarray, "converters levels"]:
    """Levels on a string of mismatched resistors between two exact ends.

    Notes
    -----
    Code widths are independent with standard deviation ``sigma``; the ends of the string are fixed,
    so level ``i`` of ``n + 1`` deviates with variance ``i (n - i) / n * sigma**2``, at most
    ``n / 4`` in the middle [2]_.
    """
    widths = levels - 1
    if widths < 1:
        return np.zeros((converters, levels))
    steps = generator.standard_normal((converters, widths)) * sigma
    walk = np.concatenate([np.zeros((converters, 1)), np.cumsum(steps, axis=1)], axis=1)
    bridge: NDArray[np.float64] = walk - walk[:, -1:] * (np.arange(levels) / widths)
    return bridge


def searched_levels(
    trials: Float64[np.ndarray, "converters levels"],
) -> Float64[np.ndarray, "converters levels"]:
    """Turn trial levels of a binary search into the levels at which its result really changes.

    Parameters
    ----------
    trials
        Level that an input is compared with when code 1, 2, ... is tried.

    Returns
    -------
    NDArray
        In rising order: the result is at least ``i`` from level ``i`` on. Equal to ``trials`` where
        those rise.

    Notes
    -----
    A search that went up at code ``m`` never falls below ``m`` again, whatever later trials say, so
    that levels above ``m`` count from ``trials[m]`` at least; one that went down never reaches
    ``m``, so that levels below count up to it at most.

    Examples
    --------
    Code 2 is tried first. Below its level the answer is 0 or 1, above it 2 or 3.

    >>> searched_levels(np.array([[2.5, 2.0, 1.5]]))
    array([[2., 2., 2.]])
    """
    levels = trials.shape[1]
    low, high = np.full(trials.shape, -np.inf), np.full(trials.shape, np.inf)
    codes = np.arange(1, levels + 1)
    for bit in reversed(range(1, levels.bit_length())):
        tried = ((codes >> bit) | 1) << bit  # on the way to each code, if it goes on from there
        passed = (tried <= levels) & (codes & ((1 << bit) - 1) > 0)
        level = trials[:, np.minimum(tried, levels) - 1]
        up, down = passed & (codes > tried), passed & (codes < tried)
        low = np.where(up, np.maximum(low, np.minimum(level, high)), low)
        high = np.where(down, np.minimum(high, np.maximum(level, low)), high)
    levels_seen: NDArray[np.float64] = np.clip(trials, low, high)
    return levels_seen
