"""Trimming: what is left of offset and gain errors after a correction.

Which question this module answers: *which straight line does the trim take out of the decision
levels, how well is that line known, and what did it cost?*

A trim moves all decision levels of a converter by a straight line, an offset and a gain. The line
is the least-squares fit to the deviations of the levels at the trim corner: of the nominal
converter (``trim: nominal``: one setting for all, so that the spread between converters stays) or
of each one (``trim: per_chip``), then known from ``trim_vectors`` conversions only. What the corner
of the run adds to that of the trim stays, too.

Not modelled: the resolution of the trim setting, inputs of the trim that are themselves wrong.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray

from pimsim.analog.pvt import NOMINAL, OperatingPoint, operating_point
from pimsim.config.macros import Macro
from pimsim.config.pvt import NOMINAL_TEMPERATURE_DEGC, Pvt


@dataclass(frozen=True, slots=True)
class Lines:
    """A straight line per converter: what a trim takes out."""

    offset: Float64[np.ndarray, " converters"]
    """At the middle of the levels. [LSB]"""
    slope: Float64[np.ndarray, " converters"]
    """Per LSB."""

    def at(self, levels: Float64[np.ndarray, " levels"]) -> NDArray[np.float64]:
        """Value at each level, (converters, levels). [LSB]"""
        values: NDArray[np.float64] = self.offset[:, None] + self.slope[:, None] * (
            levels - levels.mean()
        )
        return values


def trim_point(macro: Macro, pvt: Pvt | None) -> OperatingPoint:
    """Operating point at which the macro's converters were trimmed.

    Parameters
    ----------
    macro
        ``adc.trim`` and ``adc.trim_corner``.
    pvt
        The run's corner, on one chip; ``None``: nominal.

    Notes
    -----
    ``trim: nominal`` knows the corner but not the chip, so a chip's own threshold shift is not in
    it. ``trim: per_chip`` at the nominal corner knows the chip but not the run's corner.
    """
    if pvt is None:
        return NOMINAL
    at_run = macro.adc.trim_corner == "run"
    if macro.adc.trim == "per_chip":
        nominal = {
            "process": "tt",
            "supply_v": pvt.nominal_supply_v,
            "temperature_degc": NOMINAL_TEMPERATURE_DEGC,
        }
        return operating_point(pvt if at_run else pvt.model_copy(update=nominal), macro)
    chipless = {"threshold_shift_v": None, "die_sigma_v": None}
    return operating_point(pvt.model_copy(update=chipless), macro) if at_run else NOMINAL


def fitted(
    deviations: Float64[np.ndarray, "converters levels"], levels: Float64[np.ndarray, " levels"]
) -> Lines:
    """Least-squares line through the deviations of the levels of each converter.

    A single level has an offset only.

    Examples
    --------
    >>> levels = np.array([0.5, 1.5, 2.5])
    >>> lines = fitted(np.array([[0.1, 0.2, 0.3]]), levels)
    >>> float(lines.offset[0].round(6)), float(lines.slope[0].round(6))
    (0.2, 0.1)
    """
    centred = levels - levels.mean()
    spread = float(centred @ centred)
    slope = deviations @ centred / spread if spread else np.zeros(len(deviations))
    return Lines(deviations.mean(axis=1), slope)


def residual_sigmas(
    levels: Float64[np.ndarray, " levels"], vectors: int, sigma_lsb: float
) -> tuple[float, float]:
    """Standard deviations of the offset and slope found from noisy measurements.

    Parameters
    ----------
    levels
        Ideal decision levels; the measured inputs are spread evenly between the outer ones. [LSB]
    vectors
        Number of measurements.
    sigma_lsb
        Standard deviation of one of them, noise and quantization together. [LSB]

    Returns
    -------
    tuple of float
        Of the offset in the middle [LSB], and of the slope.

    Notes
    -----
    Straight-line regression: ``sigma / sqrt(K)`` and ``sigma / sqrt(sum((x - mean(x))**2))``.

    Examples
    --------
    >>> residual_sigmas(np.array([0.5, 7.5]), vectors=16, sigma_lsb=0.4)[0]
    0.1
    """
    inputs = np.linspace(levels[0], levels[-1], vectors)
    spread = float(((inputs - inputs.mean()) ** 2).sum())
    return sigma_lsb / math.sqrt(vectors), sigma_lsb / math.sqrt(spread) if spread else 0.0


def measured(
    lines: Lines,
    levels: Float64[np.ndarray, " levels"],
    vectors: int,
    sigma_lsb: float,
    generator: np.random.Generator,
) -> Lines:
    """The lines as a trim of so many measurements finds them."""
    offset, slope = residual_sigmas(levels, vectors, sigma_lsb)
    count = len(lines.offset)
    return Lines(
        lines.offset + generator.standard_normal(count) * offset,
        lines.slope + generator.standard_normal(count) * slope,
    )


def trim_conversions(macro: Macro) -> int:
    """Conversions that the trim of one macro's converters takes, once per chip.

    Examples
    --------
    >>> from pimsim.config import load_architecture
    >>> chip = load_architecture("rap", overrides=["macros.mram.adc.trim=per_chip",
    ...                                            "macros.mram.adc.trim_vectors=16"])
    >>> trim_conversions(chip.macros["mram"])
    16384
    """
    converters = -(-macro.crossbar.cols // macro.adc.columns_per_adc)
    return converters * (macro.adc.trim_vectors or 0)
