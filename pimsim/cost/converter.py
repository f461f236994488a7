"""What every converter model returns, and how it refuses.

Which question this module answers: *what is known about the cost of one converter, and in which
words does a model say that it does not apply?*
"""

import math
from dataclasses import dataclass
from typing import Final

from pimsim.config.converters import Adc
from pimsim.cost.sourced import Sourced, setting
from pimsim.errors import ModelRangeError

HZ_PER_GHZ: Final = 1e9


@dataclass(frozen=True, slots=True)
class ConverterCost:
    """What one converter costs, with the sources of both numbers."""

    energy_per_conversion_pj: Sourced
    area_um2: Sourced


class ConverterRangeError(ModelRangeError):
    """A converter that lies outside the range of a model.

    Parameters
    ----------
    message
        Value, range and remedy.
    brief
        The same for a table: ``"3.17 < 4 bits"``.
    """

    def __init__(self, message: str, brief: str) -> None:
        super().__init__(message)
        self.brief = brief


def check(model: str, value: float, bounds: tuple[float, float], unit: str, remedy: str) -> None:
    """Refuse a value that is not within the bounds of a model.

    Raises
    ------
    ConverterRangeError
        With value, bounds and remedy.
    """
    low, high = bounds
    if low <= value <= high:
        return
    shown = f"{value:.2f}" if 0.01 <= abs(value) < 1000 else f"{value:g}"
    short = unit.rsplit(maxsplit=1)[-1]
    brief = f"{value:.3g} < {low:g} {short}" if value < low else f"{value:.3g} > {high:g} {short}"
    raise ConverterRangeError(
        f"{model} holds for {low:g} to {high:g} {unit}, got {shown}; {remedy}", brief
    )


def resolution_bits(adc: Adc) -> float:
    """Effective resolution that the number of codes asks for, log2 of it. [bit]"""
    return math.log2(adc.codes)


def rate_ghz(adc: Adc) -> float:
    """Conversions of one converter per time, one over the conversion time. [GHz]"""
    return 1.0 / adc.conversion_time_ns


def codes(adc: Adc) -> Sourced:
    """Return the number of codes as a leaf of a derivation."""
    return setting("adc.codes", adc.codes)
